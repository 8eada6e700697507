/// Prompts with logits, and a linear layer's input as our own run saw it.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "engine/verifier.h"

namespace bitnet {
namespace {

struct ObservedInput {
  std::string_view name;  ///< of ForwardObserver
  std::int64_t layer;
};

/// "model.layers.3.mlp.down_proj" → what the observer calls its input.
std::optional<ObservedInput> observed_input(std::string_view module) {
  static constexpr std::pair<std::string_view, std::string_view> kInputs[] = {
      {"q_proj", "attn.linear_in"},   {"k_proj", "attn.linear_in"}, {"v_proj", "attn.linear_in"}, {"o_proj", "attn.z"},
      {"gate_proj", "mlp.linear_in"}, {"up_proj", "mlp.linear_in"}, {"down_proj", "mlp.act"}};
  constexpr std::string_view kLayers = "model.layers.";
  if (!module.starts_with(kLayers)) return std::nullopt;
  std::int64_t layer = 0;
  for (const char c : module.substr(kLayers.size())) {
    if (c < '0' || c > '9' || layer > 100000) break;
    layer = layer * 10 + (c - '0');
  }
  for (const auto& [suffix, name] : kInputs) {
    if (module.ends_with(suffix)) return ObservedInput{name, layer};
  }
  return std::nullopt;
}

}  // namespace

// --- prompts with logits

void Verifier::prompts() {
  const std::vector<std::string> names = reference_.names();
  const bool has_float64 =
      std::any_of(names.begin(), names.end(), [](const auto& name) { return name.starts_with("packed_f64."); });
  for (int prompt = 0;; ++prompt) {
    const std::string ids_name = fmt::format("prompt{}.input_ids", prompt);
    if (!reference_.has(ids_name)) return;
    const Ids ids = reference_.integers(ids_name).front();
    model::KvSequence sequence = model_.make_sequence();
    Recorder recorder;
    const Logits logits = forward(sequence, ids, &recorder);
    for (const std::string& name : names) {
      if (name.ends_with(fmt::format(".prompt{}.logits", prompt))) {
        const ReferenceTensor theirs = reference_.floats(name, {std::ssize(ids), config_.vocab_size});
        Difference difference;
        for (std::size_t t = 0; t < ids.size(); ++t) {
          difference.add_logits(logits.row(t), theirs.row(static_cast<std::int64_t>(t)));
        }
        Comparison comparison = difference.comparison(name);
        const bool judged = has_float64 ? name.starts_with("packed_f64.") : name.find("bf16") == std::string::npos;
        if (judged) {
          comparison.largest_allowed = Tolerance::kFlipped;
          comparison.mean_allowed = Tolerance::kFlippedMean;
        } else {
          comparison.argmax_changes = 0;
        }
        add(comparison);
      }
      const std::string int8_in = fmt::format(".prompt{}.int8_in.", prompt);
      if (const std::size_t at = name.find(int8_in); at != std::string::npos) {
        int8_inputs(name, name.substr(at + int8_in.size()), recorder);
      }
    }
  }
}

void Verifier::int8_inputs(const std::string& name, const std::string& module, const Recorder& recorder) {
  const Rows& inputs = inputs_of(name, module, recorder);
  const auto width = inputs.front().size();
  const auto theirs = reference_.int8s(name, std::ssize(inputs), static_cast<std::int64_t>(width));
  Comparison comparison;
  comparison.name = name;
  comparison.elements = std::ssize(theirs);
  for (std::size_t t = 0; t < inputs.size(); ++t) {
    comparison.int8_flips += count_differing(int8_of(inputs[t]), theirs.subspan(t * width, width));
  }
  add(comparison);
}

const Recorder::Rows& Verifier::inputs_of(const std::string& tensor, const std::string& module,
                                          const Recorder& recorder) const {
  const auto input = observed_input(module);
  if (!input || recorder.rows(input->name, input->layer).empty()) {
    fail(ErrorKind::corrupt, "{}: \"{}\" is about \"{}\"; this model has no such linear layer", reference_.path(),
         tensor, module);
  }
  return recorder.rows(input->name, input->layer);
}

}  // namespace bitnet
