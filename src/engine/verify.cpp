#include "engine/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <utility>

#include "base/cpu_features.h"
#include "base/fail.h"
#include "bitnet/quantize.h"
#include "engine/difference.h"
#include "engine/engine_state.h"
#include "engine/recorder.h"
#include "engine/reference_file.h"
#include "kernels/dispatch.h"
#include "model/transformer.h"

namespace bitnet {
namespace {

using Ids = std::vector<std::int32_t>;

/// Rows of logits, [positions, vocab].
struct Logits {
  std::vector<float> values;
  std::size_t vocab;

  [[nodiscard]] std::span<const float> row(std::size_t position) const {
    return std::span(values).subspan(position * vocab, vocab);
  }
};

std::int64_t count_differing(std::span<const std::int8_t> a, std::span<const std::int8_t> b) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1 : 0;
  return count;
}

/// Int8 activations of one token as the reference rounds them.
std::vector<std::int8_t> int8_of(std::span<const float> x) { return quantize_activations(x, x.size()).values; }

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

class Verifier {
 public:
  Verifier(const Engine& engine, const ReferenceFile& reference)
      : lock_(engine.state().computing),
        model_(*engine.state().transformer),
        config_(model_.config()),
        reference_(reference),
        kernels_(kernels::choose_table(engine.info().kernels, detect_cpu_features())) {}

  VerifyReport run() {
    prompts();
    linears();
    io_pass();
    full_pass();
    cached_passes();
    left_padded();
    if (report_.comparisons.empty()) {
      fail(ErrorKind::not_found, "{}: holds none of the tensors that can be compared (logits, promptN.input_ids, io.*)",
           reference_.path());
    }
    return std::move(report_);
  }

 private:
  using Rows = Recorder::Rows;

  Logits forward(model::KvSequence& sequence, std::span<const std::int32_t> ids, Recorder* recorder = nullptr) {
    std::vector<model::BatchToken> batch;
    for (const std::int32_t id : ids) batch.push_back({id, 0, true});
    Logits logits{{}, static_cast<std::size_t>(config_.vocab_size)};
    logits.values.resize(ids.size() * logits.vocab);
    model::KvSequence* const sequences[] = {&sequence};
    model_.forward(batch, sequences, {logits.values.data(), std::ssize(ids), config_.vocab_size}, recorder);
    return logits;
  }

  void add(Comparison comparison) { report_.comparisons.push_back(std::move(comparison)); }

  void add_exact(const Difference& difference, std::string name, double allowed) {
    Comparison comparison = difference.comparison(std::move(name));
    comparison.largest_allowed = allowed;
    comparison.flips_allowed = 0;
    add(comparison);
  }

  void add_scaled(const Difference& difference, const std::string& name, bool may_have_flipped) {
    add(judge_network(difference.comparison(name), may_have_flipped, std::max(1.0, difference.reference_rms())));
  }

  // --- prompts with logits

  void prompts() {
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

  /// How many int8 activations of our own run differ from the reference's run: said, not judged.
  void int8_inputs(const std::string& name, const std::string& module, const Recorder& recorder) {
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

  /// What the recorder saw of a module's input.
  const Rows& inputs_of(const std::string& tensor, const std::string& module, const Recorder& recorder) const {
    const auto input = observed_input(module);
    if (!input || recorder.rows(input->name, input->layer).empty()) {
      fail(ErrorKind::corrupt, "{}: \"{}\" is about \"{}\"; this model has no such linear layer", reference_.path(),
           tensor, module);
    }
    return recorder.rows(input->name, input->layer);
  }

  // --- io.*: a short prompt, every linear by itself

  [[nodiscard]] std::vector<std::string> linear_modules() const {
    std::vector<std::string> modules;
    for (const std::string& name : reference_.names()) {
      if (name.starts_with("io.lin.") && name.ends_with(".in")) modules.push_back(name.substr(7, name.size() - 10));
    }
    return modules;
  }

  void linears() {
    for (const std::string& module : linear_modules()) {
      const std::string in_name = "io.lin." + module + ".in";
      const model::LinearWeights* linear = model_.weights().find_linear(module);
      if (linear == nullptr || !linear->ternary) {
        fail(ErrorKind::corrupt, "{}: \"{}\": this model has no ternary linear layer \"{}\"", reference_.path(),
             in_name, module);
      }
      const std::int64_t in = linear->ternary->in();
      const std::int64_t out = linear->ternary->out();
      const ReferenceTensor x = reference_.floats(in_name, {1, -1, in});
      const std::int64_t tokens = x.dims[1];
      const ReferenceTensor theirs = reference_.floats("io.lin." + module + ".out", {1, tokens, out});
      std::vector<float> ours(static_cast<std::size_t>(tokens * out));
      model_.run_linear(*linear, {x.values.data(), tokens, in}, {ours.data(), tokens, out});

      // Relative to each row's largest output, because integer sums cancel and the reference's float sums do not.
      double relative = 0;
      Difference difference;
      for (std::int64_t t = 0; t < tokens; ++t) {
        const auto row =
            std::span<const float>(ours).subspan(static_cast<std::size_t>(t * out), static_cast<std::size_t>(out));
        Difference here;
        here.add(row, theirs.row(t));
        difference.add(row, theirs.row(t));
        float most = 0;
        for (const float y : theirs.row(t)) most = std::max(most, std::fabs(y));
        relative = std::max(relative, here.largest() / std::max(static_cast<double>(most), 1e-30));
        difference.add_flips(count_differing(kernel_int8(x.row(t)), int8_of(x.row(t))));
      }
      Comparison comparison = difference.comparison("io.lin." + module + ".out");
      comparison.largest = relative;
      comparison.largest_allowed = Tolerance::kLinear;
      comparison.flips_allowed = 0;
      add(comparison);
    }
  }

  /// Int8 activations as the active kernel table rounds them.
  std::vector<std::int8_t> kernel_int8(std::span<const float> x) const {
    const std::size_t padded = (x.size() + 63) / 64 * 64;
    std::vector<std::int8_t> values(padded);
    std::vector<std::int32_t> sums(padded / 64);
    kernels_.quantize_activations(x.data(), std::ssize(x), static_cast<std::int64_t>(padded), values.data(),
                                  sums.data());
    values.resize(x.size());
    return values;
  }

  void io_pass() {
    if (!reference_.has("io.input_ids")) return;
    const Ids ids = reference_.integers("io.input_ids").front();
    const auto tokens = std::ssize(ids);
    model::KvSequence sequence = model_.make_sequence();
    Recorder recorder;
    const Logits logits = forward(sequence, ids, &recorder);

    std::int64_t flips = 0;
    for (const std::string& module : linear_modules()) {
      const std::string name = "io.lin." + module + ".in";
      const Rows& inputs = inputs_of(name, module, recorder);
      const ReferenceTensor theirs = reference_.floats(name, {1, tokens, std::ssize(inputs.front())});
      Difference difference;
      for (std::int64_t t = 0; t < tokens; ++t) {
        const std::vector<float>& row = inputs[static_cast<std::size_t>(t)];
        difference.add(row, theirs.row(t));
        difference.add_flips(count_differing(int8_of(row), int8_of(theirs.row(t))));
      }
      add_scaled(difference, name, flips != 0);
      flips += report_.comparisons.back().int8_flips;
    }
    for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      compare_rows(fmt::format("io.layer_out.{}", layer), {&recorder.rows("hook_resid_post", layer)}, flips != 0);
    }
    compare_logits("io.logits", {&logits}, 0, 0, flips != 0);
  }

  // --- whole passes

  /// A tensor [prompts, positions, width] against what was recorded of each prompt.
  void compare_rows(const std::string& name, const std::vector<const Rows*>& prompts, bool may_have_flipped) {
    if (!reference_.has(name)) return;
    const std::int64_t positions = std::ssize(*prompts.front());
    const ReferenceTensor theirs =
        reference_.floats(name, {std::ssize(prompts), positions, std::ssize(prompts.front()->front())});
    Difference difference;
    for (std::size_t b = 0; b < prompts.size(); ++b) {
      for (std::int64_t t = 0; t < positions; ++t) {
        difference.add((*prompts[b])[static_cast<std::size_t>(t)],
                       theirs.row(static_cast<std::int64_t>(b) * positions + t));
      }
    }
    add_scaled(difference, name, may_have_flipped);
  }

  /// Logits [prompts, positions from `first` to `end` (0: all), vocab].
  void compare_logits(const std::string& name, const std::vector<const Logits*>& prompts, std::int64_t first,
                      std::int64_t end, bool may_have_flipped) {
    if (!reference_.has(name)) return;
    if (end == 0) end = std::ssize(prompts.front()->values) / config_.vocab_size;
    const ReferenceTensor theirs = reference_.floats(name, {std::ssize(prompts), end - first, config_.vocab_size});
    Difference difference;
    for (std::size_t b = 0; b < prompts.size(); ++b) {
      for (std::int64_t t = first; t < end; ++t) {
        difference.add_logits(prompts[b]->row(static_cast<std::size_t>(t)),
                              theirs.row(static_cast<std::int64_t>(b) * (end - first) + t - first));
      }
    }
    add(judge_network(difference.comparison(name), may_have_flipped, 1));
  }

  void full_pass() {
    if (!reference_.has("input_ids")) return;
    ids_ = reference_.integers("input_ids");
    std::vector<Recorder> recorders(ids_.size());
    std::vector<model::KvSequence> sequences;
    for (std::size_t b = 0; b < ids_.size(); ++b) {
      sequences.push_back(model_.make_sequence());
      logits_.push_back(forward(sequences.back(), ids_[b], &recorders[b]));
    }
    const auto recorded = [&](std::string_view name, std::int64_t layer) {
      std::vector<const Rows*> prompts;
      for (const Recorder& recorder : recorders) prompts.push_back(&recorder.rows(name, layer));
      return prompts;
    };
    const std::int64_t layers = config_.num_hidden_layers;
    compare_rows("hidden_states.0", recorded("embed", -1), false);
    for (std::int64_t i = 1; i < layers; ++i) {
      compare_rows(fmt::format("hidden_states.{}", i), recorded("hook_resid_post", i - 1), true);
    }
    compare_rows(fmt::format("hidden_states.{}", layers), recorded("final_norm", -1), true);
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      attention(fmt::format("attentions.{}", layer), recorded("attn.hook_pattern", layer));
      cache(layer, sequences);
    }
    rope();
    compare_logits("logits", all(logits_), 0, 0, true);
  }

  static std::vector<const Logits*> all(const std::vector<Logits>& logits) {
    std::vector<const Logits*> pointers;
    for (const Logits& one : logits) pointers.push_back(&one);
    return pointers;
  }

  /// Probabilities [prompts, heads, queries, keys]; ours come query by query, head by head.
  void attention(const std::string& name, const std::vector<const Rows*>& prompts) {
    if (!reference_.has(name)) return;
    const std::int64_t heads = config_.num_attention_heads;
    const std::int64_t tokens = std::ssize(ids_.front());
    const ReferenceTensor theirs = reference_.floats(name, {std::ssize(prompts), heads, tokens, tokens});
    Difference difference;
    for (std::int64_t b = 0; b < std::ssize(prompts); ++b) {
      for (std::int64_t h = 0; h < heads; ++h) {
        for (std::int64_t t = 0; t < tokens; ++t) {
          std::vector<float> ours = (*prompts[static_cast<std::size_t>(b)])[static_cast<std::size_t>(t * heads + h)];
          ours.resize(static_cast<std::size_t>(tokens));  // keys after a pass' last token have no column
          difference.add(ours, theirs.row((b * heads + h) * tokens + t));
        }
      }
    }
    add(judge_network(difference.comparison(name), true, 1));
  }

  /// Keys and values [prompts, kv heads, positions, head_dim].
  void cache(std::int64_t layer, const std::vector<model::KvSequence>& sequences) {
    const std::string keys_name = fmt::format("kv.keys.{}", layer);
    const std::string values_name = fmt::format("kv.values.{}", layer);
    if (!reference_.has(keys_name)) return;
    const std::int64_t heads = config_.num_key_value_heads;
    const std::int64_t dim = config_.head_dim;
    const std::int64_t tokens = std::ssize(ids_.front());
    const ReferenceTensor keys = reference_.floats(keys_name, {std::ssize(sequences), heads, tokens, dim});
    const ReferenceTensor values = reference_.floats(values_name, {std::ssize(sequences), heads, tokens, dim});
    Difference key_difference;
    Difference value_difference;
    std::vector<float> key(static_cast<std::size_t>(heads * dim));
    std::vector<float> value(key.size());
    for (std::int64_t b = 0; b < std::ssize(sequences); ++b) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        sequences[static_cast<std::size_t>(b)].read(layer, t, key, value);
        for (std::int64_t h = 0; h < heads; ++h) {
          const auto head = [&](const std::vector<float>& x) {
            return std::span(x).subspan(static_cast<std::size_t>(h * dim), static_cast<std::size_t>(dim));
          };
          key_difference.add(head(key), keys.row((b * heads + h) * tokens + t));
          value_difference.add(head(value), values.row((b * heads + h) * tokens + t));
        }
      }
    }
    add_scaled(key_difference, keys_name, true);
    add_scaled(value_difference, values_name, true);
  }

  /// [1, positions, head_dim]: the reference repeats the angles for both halves of a head.
  void rope() {
    if (!reference_.has("rope.cos")) return;
    const ReferenceTensor cos = reference_.floats("rope.cos", {1, -1, config_.head_dim});
    const std::int64_t positions = cos.dims[1];
    const ReferenceTensor sin = reference_.floats("rope.sin", {1, positions, config_.head_dim});
    const model::RopeTable& table = model_.rope(positions);
    const auto compare = [&](const ReferenceTensor& theirs, const float* ours) {
      const auto half = static_cast<std::size_t>(config_.head_dim / 2);
      Difference difference;
      for (std::int64_t t = 0; t < positions; ++t) {
        const std::span<const float> row(ours + static_cast<std::size_t>(t) * half, half);
        difference.add(row, theirs.row(t).first(half));
        difference.add(row, theirs.row(t).last(half));
      }
      add_exact(difference, theirs.name, Tolerance::kExact);
    };
    compare(cos, table.cos());
    compare(sin, table.sin());
  }

  // --- the same prompts through the cache: a first chunk, then single steps, or two more chunks

  void cached_passes() {
    if (ids_.empty() || !reference_.has("kv.prefill_logits")) return;
    const std::int64_t tokens = std::ssize(ids_.front());
    const std::int64_t vocab = config_.vocab_size;
    const std::int64_t prompts = std::ssize(ids_);
    const std::int64_t first = reference_.floats("kv.prefill_logits", {prompts, -1, vocab}).dims[1];
    if (first > tokens)
      fail(ErrorKind::corrupt, "{}: \"kv.prefill_logits\" is longer than input_ids", reference_.path());
    std::vector<Logits> steps;
    for (const Ids& ids : ids_) {
      std::vector<std::int64_t> ends = {first};
      while (ends.back() < tokens) ends.push_back(ends.back() + 1);
      steps.push_back(in_chunks(ids, ends));
    }
    compare_logits("kv.prefill_logits", all(steps), 0, first, true);
    compare_logits("kv.step_logits", all(steps), first, tokens, true);
    add_own("own: single steps against one pass", steps);

    if (!reference_.has("kv.chunk_last_logits")) return;
    const std::int64_t last = reference_.floats("kv.chunk_last_logits", {prompts, -1, vocab}).dims[1];
    if (first + last > tokens) {
      fail(ErrorKind::corrupt, "{}: \"kv.chunk_last_logits\" is longer than what follows the first chunk",
           reference_.path());
    }
    std::vector<Logits> chunks;
    for (const Ids& ids : ids_) chunks.push_back(in_chunks(ids, {first, tokens - last, tokens}));
    compare_logits("kv.chunk_last_logits", all(chunks), tokens - last, tokens, true);
    add_own("own: chunks against one pass", chunks);
  }

  /// One sequence cut at `ends`.
  Logits in_chunks(const Ids& ids, const std::vector<std::int64_t>& ends) {
    model::KvSequence sequence = model_.make_sequence();
    Logits logits{{}, static_cast<std::size_t>(config_.vocab_size)};
    for (const std::int64_t end : ends) {
      const auto begin = static_cast<std::size_t>(sequence.length());
      const Logits chunk = forward(sequence, std::span(ids).subspan(begin, static_cast<std::size_t>(end) - begin));
      logits.values.insert(logits.values.end(), chunk.values.begin(), chunk.values.end());
    }
    return logits;
  }

  void add_own(const std::string& name, const std::vector<Logits>& ours) {
    Difference difference;
    for (std::size_t b = 0; b < ours.size(); ++b) difference.add(ours[b].values, logits_[b].values);
    add_exact(difference, name, 0);
  }

  /// Padding is not in our batches at all, so a padded prompt must give what the prompt alone gives.
  void left_padded() {
    if (!reference_.has("leftpad.input_ids")) return;
    const auto ids = reference_.integers("leftpad.input_ids");
    const auto mask = reference_.integers("leftpad.attention_mask");
    const std::int64_t tokens = std::ssize(ids.front());
    const ReferenceTensor theirs = reference_.floats("leftpad.logits", {std::ssize(ids), tokens, config_.vocab_size});
    if (mask.size() != ids.size() || mask.front().size() != ids.front().size()) {
      fail(ErrorKind::corrupt, "{}: \"leftpad.attention_mask\" and \"leftpad.input_ids\" differ in shape",
           reference_.path());
    }
    Difference difference;
    for (std::size_t b = 0; b < ids.size(); ++b) {
      const auto padding = std::find(mask[b].begin(), mask[b].end(), 1) - mask[b].begin();
      model::KvSequence sequence = model_.make_sequence();
      const Logits logits = forward(sequence, std::span(ids[b]).subspan(static_cast<std::size_t>(padding)));
      for (std::int64_t t = padding; t < tokens; ++t) {
        difference.add_logits(logits.row(static_cast<std::size_t>(t - padding)),
                              theirs.row(static_cast<std::int64_t>(b) * tokens + t));
      }
    }
    add(judge_network(difference.comparison("leftpad.logits"), true, 1));
  }

  std::lock_guard<std::mutex> lock_;
  model::Transformer& model_;
  const ModelConfig& config_;
  const ReferenceFile& reference_;
  const kernels::KernelTable& kernels_;
  VerifyReport report_;
  std::vector<Ids> ids_;        // of the full pass
  std::vector<Logits> logits_;  // ours, one for each prompt of ids_
};

}  // namespace

bool VerifyReport::ok() const {
  return std::all_of(comparisons.begin(), comparisons.end(), [](const Comparison& one) { return one.ok(); });
}

VerifyReport verify(const Engine& engine, const std::filesystem::path& reference) {
  return Verifier(engine, ReferenceFile(reference)).run();
}

}  // namespace bitnet
