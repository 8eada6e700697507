/// What a forward pass makes, under the names and in the shapes of TransformerLens.

#include "engine/activations.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/fail.h"
#include "observe/forward_observer.h"

namespace bitnet {
namespace {

constexpr double kMaxBytes = 4.0 * (1ULL << 30);

enum class Form { hidden, heads, kv_heads, pattern, mlp };

struct Hook {
  std::string_view ours;    // as ForwardObserver has it
  std::string_view theirs;  // within "blocks.N.", where it belongs to a layer
  Form form;
};

constexpr Hook kEmbedding = {"embed", "hook_embed", Form::hidden};
constexpr Hook kLayerHooks[] = {
    {"attn.linear_in", "ln1.hook_normalized", Form::hidden},
    {"attn.q", "attn.hook_q", Form::heads},
    {"attn.k", "attn.hook_k", Form::kv_heads},
    {"attn.v", "attn.hook_v", Form::kv_heads},
    {"attn.hook_pattern", "attn.hook_pattern", Form::pattern},
    {"attn.z", "attn.hook_z", Form::heads},
    {"attn.out", "hook_attn_out", Form::hidden},
    {"mlp.linear_in", "ln2.hook_normalized", Form::hidden},
    {"mlp.gate", "mlp.hook_pre", Form::mlp},
    {"mlp.up", "mlp.hook_pre_linear", Form::mlp},
    {"mlp.act", "mlp.hook_post", Form::mlp},
    {"mlp.out", "hook_mlp_out", Form::hidden},
    {"hook_resid_post", "hook_resid_post", Form::hidden},
};
constexpr Hook kFinalNorm = {"final_norm", "ln_final.hook_normalized", Form::hidden};

std::vector<std::int64_t> shape_of(Form form, const ModelConfig& config, std::int64_t tokens) {
  switch (form) {
    case Form::hidden:
      return {1, tokens, config.hidden_size};
    case Form::heads:
      return {1, tokens, config.num_attention_heads, config.head_dim};
    case Form::kv_heads:
      return {1, tokens, config.num_key_value_heads, config.head_dim};
    case Form::pattern:
      return {1, config.num_attention_heads, tokens, tokens};
    case Form::mlp:
      return {1, tokens, config.intermediate_size};
  }
  return {};
}

/// Writes each tensor into its place; a long input comes in several passes.
class ActivationRecorder final : public ForwardObserver {
 public:
  ActivationRecorder(const ModelConfig& config, std::int64_t tokens, const WantsArray& wanted)
      : config_(config), tokens_(tokens) {
    add(kEmbedding, {}, -1, wanted);
    for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
      for (Hook hook : kLayerHooks) {
        if (config.feed_forward == FeedForwardKind::plain) {
          if (hook.ours == "mlp.gate") continue;
          if (hook.ours == "mlp.up") hook.theirs = "mlp.hook_pre";
        }
        add(hook, fmt::format("blocks.{}.", layer), static_cast<int>(layer), wanted);
      }
    }
    add(kFinalNorm, {}, -1, wanted);
    if (!wanted || wanted("logits")) arrays_.push_back({"logits", {{1, tokens, config.vocab_size}, {}}});
    allocate();
  }

  [[nodiscard]] bool wants_attention() const override { return wants_attention_; }

  void on_tensor(std::string_view name, int layer, const float* data, std::int64_t rows, std::int64_t cols) override {
    const auto found = places_.find({name, layer});
    if (found == places_.end()) return;
    Place& place = found->second;
    float* const out = arrays_[place.array].array.data.data();
    if (place.form != Form::pattern) {
      std::copy_n(data, rows * cols, out + place.tokens_done * cols);
      place.tokens_done += rows;
      return;
    }
    // [tokens·heads, keys so far] → [heads, tokens, all keys]
    const std::int64_t heads = config_.num_attention_heads;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t query = place.tokens_done + row / heads;
      std::copy_n(data + row * cols, cols, out + ((row % heads) * tokens_ + query) * tokens_);
    }
    place.tokens_done += rows / heads;
  }

  /// Null when nobody wants them.
  [[nodiscard]] float* logits() {
    const bool has = !arrays_.empty() && arrays_.back().name == "logits";
    return has ? arrays_.back().array.data.data() : nullptr;
  }

  [[nodiscard]] std::vector<NamedArray> take() { return std::move(arrays_); }

 private:
  struct Place {
    std::size_t array;
    Form form;
    std::int64_t tokens_done;
  };

  void add(const Hook& hook, const std::string& prefix, int layer, const WantsArray& wanted) {
    std::string name = prefix + std::string(hook.theirs);
    if (wanted && !wanted(name)) return;
    if (hook.form == Form::pattern) wants_attention_ = true;
    places_[{hook.ours, layer}] = {arrays_.size(), hook.form, 0};
    arrays_.push_back({std::move(name), {shape_of(hook.form, config_, tokens_), {}}});
  }

  void allocate() {
    const auto count = [](const NamedArray& named) {
      double product = 1;  // in floating point, which a hostile length cannot wrap around
      for (const std::int64_t dim : named.array.shape) product *= static_cast<double>(dim);
      return product;
    };
    double bytes = 0;
    for (const NamedArray& named : arrays_) bytes += count(named) * sizeof(float);
    if (bytes > kMaxBytes) {
      fail(ErrorKind::limit,
           "the activations of {} tokens would take {:.1f} GiB; expected at most {:.0f} GiB: shorten the text", tokens_,
           bytes / (1ULL << 30), kMaxBytes / (1ULL << 30));
    }
    for (NamedArray& named : arrays_) named.array.data.resize(static_cast<std::size_t>(count(named)));
  }

  const ModelConfig& config_;
  std::int64_t tokens_;
  std::vector<NamedArray> arrays_;
  std::map<std::pair<std::string_view, int>, Place> places_;
  bool wants_attention_ = false;
};

}  // namespace

std::vector<NamedArray> record_activations(EngineState& state, std::span<const std::int32_t> ids,
                                           const WantsArray& wanted) {
  model::Transformer& transformer = *state.transformer;
  const ModelConfig& config = transformer.config();
  ActivationRecorder recorder(config, std::ssize(ids), wanted);
  float* const logits = recorder.logits();
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : ids) batch.push_back({id, 0, logits != nullptr});
  model::KvSequence sequence = transformer.make_sequence();
  model::KvSequence* const sequences[] = {&sequence};
  const std::lock_guard lock(state.computing);
  transformer.forward(batch, sequences, {logits, logits == nullptr ? 0 : std::ssize(ids), config.vocab_size},
                      &recorder);
  return recorder.take();
}

}  // namespace bitnet
