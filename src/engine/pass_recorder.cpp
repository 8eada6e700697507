#include "engine/pass_recorder.h"

#include <algorithm>

namespace bitnet {

void PassRecorder::on_tensor(std::string_view name, int layer, const float* data, std::int64_t rows,
                             std::int64_t cols) {
  const bool hidden = name == "embed" || (name == "hook_resid_post" && layer + 1 < config_.num_hidden_layers);
  const bool keep = (hidden && hidden_states_) || (name == "final_norm" && (hidden_states_ || head_inputs_)) ||
                    (name == "attn.hook_pattern" && attentions_);
  if (keep) Recorder::on_tensor(name, layer, data, rows, cols);
}

void PassRecorder::add_step(std::int64_t first, std::span<const Part> rows, GenerationDetails& details) const {
  const std::int64_t tokens = rows.front().tokens;
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto begin = static_cast<std::size_t>(first);
  const auto end = static_cast<std::size_t>(first + count * tokens);
  const std::int64_t layers = config_.num_hidden_layers;
  if (hidden_states_) {
    std::vector<Array>& step = details.hidden_states.emplace_back();
    for (std::int64_t layer = 0; layer <= layers; ++layer) {
      const Rows& from = layer == 0        ? this->rows("embed", -1)
                         : layer == layers ? this->rows("final_norm", -1)
                                           : this->rows("hook_resid_post", layer - 1);
      Array& array = step.emplace_back(Array{{count, tokens, config_.hidden_size}, {}});
      for (std::size_t i = begin; i < end; ++i) array.data.insert(array.data.end(), from[i].begin(), from[i].end());
    }
  }
  if (!attentions_) return;
  const std::int64_t heads = config_.num_attention_heads;
  std::int64_t keys = 0;
  for (const Part& row : rows) keys = std::max(keys, row.past + row.tokens);
  std::vector<Array>& step = details.attentions.emplace_back();
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const Rows& from = this->rows("attn.hook_pattern", layer);
    Array& array = step.emplace_back(Array{{count, heads, tokens, keys}, {}});
    array.data.resize(static_cast<std::size_t>(count * heads * tokens * keys));
    float* to = array.data.data();
    for (std::int64_t row = 0; row < count; ++row) {
      for (std::int64_t head = 0; head < heads; ++head) {
        for (std::int64_t token = 0; token < tokens; ++token, to += keys) {
          const auto& pattern = from[static_cast<std::size_t>((first + row * tokens + token) * heads + head)];
          std::copy_n(pattern.begin(), std::min<std::int64_t>(keys, std::ssize(pattern)), to);
        }
      }
    }
  }
}

}  // namespace bitnet
