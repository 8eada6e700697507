/// bitnet verify: a model's numbers against those of a reference implementation.

#include "engine/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_path.h"
#include "cli/options.h"

namespace bitnet::cli {
namespace {

namespace fs = std::filesystem;

/// MODEL/reference/*.safetensors, sorted, or MODEL/ref_f32.safetensors.
std::vector<fs::path> stored_references(const fs::path& model) {
  std::vector<fs::path> files;
  const fs::path folder = model / "reference";
  if (fs::is_directory(folder)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  if (files.empty() && fs::exists(model / "ref_f32.safetensors")) files.push_back(model / "ref_f32.safetensors");
  if (files.empty()) {
    fail(ErrorKind::not_found, "there are no reference numbers in {} nor {}; name a file with --reference",
         (folder / "*.safetensors").string(), (model / "ref_f32.safetensors").string());
  }
  return files;
}

/// JSON has no infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const VerifyReport& report, const fs::path& file) {
  Json tensors = Json::array();
  for (const Comparison& one : report.comparisons) {
    tensors.push_back({{"name", one.name},
                       {"elements", one.elements},
                       {"max_difference", number(one.largest)},
                       {"mean_difference", number(one.mean)},
                       {"max_allowed", number(one.largest_allowed)},
                       {"mean_allowed", number(one.mean_allowed)},
                       {"int8_flips", one.int8_flips},
                       {"argmax_changes", one.argmax_changes},
                       {"ok", one.ok()}});
  }
  return {{"reference", file.string()}, {"ok", report.ok()}, {"tensors", tensors}};
}

std::string in_words(const VerifyReport& report, const fs::path& file) {
  std::string text =
      fmt::format("{}\n{:<56} {:>10} {:>10} {:>9} {:>6}\n", file.string(), "", "largest", "mean", "allowed", "flips");
  for (const Comparison& one : report.comparisons) {
    const bool has_limit = one.largest_allowed != Comparison::kNotJudged;
    const bool judged = has_limit || one.mean_allowed != Comparison::kNotJudged;
    text += fmt::format("{:<56} {:>10.3g} {:>10.3g} {:>9} {:>6}  {}{}\n", one.name, one.largest, one.mean,
                        has_limit ? fmt::format("{:.2g}", one.largest_allowed) : "-", one.int8_flips,
                        !judged    ? ""
                        : one.ok() ? "ok"
                                   : "DIFFERS",
                        one.argmax_changes == 0 ? "" : fmt::format(" ({} argmax changes)", one.argmax_changes));
  }
  const auto failed = std::count_if(report.comparisons.begin(), report.comparisons.end(),
                                    [](const Comparison& one) { return !one.ok(); });
  return text + (failed == 0 ? fmt::format("ok: {} tensors\n", report.comparisons.size())
                             : fmt::format("NOT OK: {} of {} tensors differ by more than is allowed\n", failed,
                                           report.comparisons.size()));
}

}  // namespace

int verify_command(const Arguments& arguments) {
  CommandLine line({"verify", "[MODEL]",
                    "Compares the model with reference numbers: those stored beside it (reference/*.safetensors or\n"
                    "ref_f32.safetensors) or another file; or with another form of the same model.\n"
                    "Exit status 0: equal within the tolerances, 1: not.",
                    "  bitnet verify\n"
                    "  bitnet verify models/my-model --against my-model.gguf\n"
                    "  bitnet verify models/my-model --reference my-numbers.safetensors --json"});
  std::string model;
  std::string reference;
  std::string against;
  bool json = false;
  line.app().add_option("model", model);
  line.app().add_option("--reference", reference, "Compare with this file")->type_name("FILE");
  line.app()
      .add_option("--against", against, "Compare with this form of the model, tensor by tensor and in logits")
      ->type_name("MODEL");
  line.app().add_flag("--json", json, "Print JSON");
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;
  line.require(reference.empty() || against.empty(), "--reference and --against exclude each other");

  if (!against.empty()) {
    const VerifyReport report = compare_models(engine_flags.load(model), engine_flags.load(against));
    if (json) {
      write_json(to_json(report, against));
    } else {
      write_out(in_words(report, against));
    }
    return report.ok() ? 0 : 1;
  }
  const fs::path folder = find_model(model);
  const std::vector<fs::path> files = reference.empty() ? stored_references(folder) : std::vector<fs::path>{reference};
  const Engine engine = engine_flags.load(folder.string());
  bool ok = true;
  Json all = Json::array();
  for (const fs::path& file : files) {
    const VerifyReport report = verify(engine, file);
    ok = ok && report.ok();
    if (json) {
      all.push_back(to_json(report, file));
    } else {
      write_out(in_words(report, file));
    }
  }
  if (json) write_json({{"ok", ok}, {"references", all}});
  return ok ? 0 : 1;
}

}  // namespace bitnet::cli
