#include "cli/dump.h"

#include <deque>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "cli/command_line.h"

namespace bitnet::cli {
namespace {

/// The tensors of one file; integers are copied, as torch has them in 64 bits.
class Tensors {
 public:
  void add(std::string name, const Array& array) {
    list_.push_back({std::move(name), view(DType::f32, array.data.data(), array.shape)});
  }

  void add(std::string name, const std::vector<std::vector<std::int32_t>>& rows) {
    std::vector<std::int64_t>& all = integers_.emplace_back();
    for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
    const std::int64_t shape[] = {std::ssize(rows), rows.empty() ? 0 : std::ssize(rows.front())};
    list_.push_back({std::move(name), view(DType::i64, all.data(), shape)});
  }

  void add(std::string name, const std::vector<float>& values) {
    const std::int64_t shape[] = {std::ssize(values)};
    list_.push_back({std::move(name), view(DType::f32, values.data(), shape)});
  }

  /// "name.T.L"
  void add(const std::string& name, const std::vector<std::vector<Array>>& steps) {
    for (std::size_t t = 0; t < steps.size(); ++t) {
      for (std::size_t l = 0; l < steps[t].size(); ++l) add(fmt::format("{}.{}.{}", name, t, l), steps[t][l]);
    }
  }

  [[nodiscard]] const std::vector<formats::NamedTensor>& list() const { return list_; }

 private:
  static TensorView view(DType dtype, const void* data, std::span<const std::int64_t> shape) {
    return {static_cast<const std::byte*>(data), dtype, Shape(shape)};
  }

  std::deque<std::vector<std::int64_t>> integers_;  // their addresses stay
  std::vector<formats::NamedTensor> list_;
};

}  // namespace

void drop_unshown(InferenceSettings& settings, const InferenceSettings& checkpoint, bool has_dump, bool has_json) {
  const auto check = [&](bool InferenceSettings::*field, bool is_shown, const char* name, const char* advice) {
    if (!(settings.*field) || is_shown) return;
    if (!(checkpoint.*field)) {
      throw UsageError(
          fmt::format("{} is set, but nothing would show what it keeps: add {} to 'bitnet run'", name, advice));
    }
    settings.*field = false;
  };
  using S = InferenceSettings;
  check(&S::output_scores, has_dump, "output_scores", "--dump FILE");
  check(&S::output_hidden_states, has_dump, "output_hidden_states", "--dump FILE");
  check(&S::output_attentions, has_dump, "output_attentions", "--dump FILE");
  check(&S::return_dict_in_generate, has_dump || has_json, "return_dict_in_generate", "--dump FILE or --json");
}

void require_writable(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  // Renaming over a device or a pipe would replace it.
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail(ErrorKind::io, "cannot write {}: it exists and is no ordinary file", path.string());
  }
  AtomicFile probe(path);
  probe.write(std::as_bytes(std::span("x")));
}

void write_dump(const std::filesystem::path& path, std::span<const NamedArray> activations,
                const Generation& generation, const formats::SafetensorsMetadata& metadata) {
  std::vector<std::int32_t> ids = generation.prompt_ids;
  ids.insert(ids.end(), generation.ids.begin(), generation.ids.end());
  Tensors tensors;
  tensors.add("tokens", {ids});
  for (const NamedArray& named : activations) tensors.add(named.name, named.array);
  if (generation.details) {
    const GenerationDetails& details = *generation.details;
    tensors.add("sequences", details.sequences);
    if (!details.sequences_scores.empty()) {
      tensors.add("sequences_scores", details.sequences_scores);
      tensors.add("beam_indices", details.beam_indices);
    }
    for (std::size_t t = 0; t < details.scores.size(); ++t) tensors.add(fmt::format("scores.{}", t), details.scores[t]);
    tensors.add("hidden_states", details.hidden_states);
    tensors.add("attentions", details.attentions);
  }
  formats::write_safetensors(path, tensors.list(), metadata);
}

}  // namespace bitnet::cli
