#include "model/forward_pass.h"

#include <algorithm>
#include <vector>

namespace bitnet::model {

void Workspace::reserve(std::int64_t tokens) {
  const ModelConfig& c = *config_;
  const std::int64_t heads = c.num_attention_heads * c.head_dim;
  const std::int64_t kv = c.num_key_value_heads * c.head_dim;
  struct Part {
    MatrixView<float>* view;
    std::int64_t cols;
  };
  const Part parts[] = {{&x, c.hidden_size},
                        {&normed, c.hidden_size},
                        {&branch, c.hidden_size},
                        {&q, heads},
                        {&k, kv},
                        {&v, kv},
                        {&z, heads},
                        {&gate, c.intermediate_size},
                        {&up, c.intermediate_size},
                        {&input, std::max({c.hidden_size, heads, c.intermediate_size})}};
  // Rows start on cache lines.
  const auto stride_of = [](std::int64_t cols) { return (cols + 15) / 16 * 16; };
  if (tokens > capacity_) {
    std::int64_t floats = 0;
    for (const Part& part : parts) floats += tokens * stride_of(part.cols);
    memory_ = AlignedBuffer(static_cast<std::size_t>(floats) * sizeof(float));
    capacity_ = tokens;
  }
  float* at = memory_.as<float>();
  for (const Part& part : parts) {
    *part.view = {at, tokens, part.cols, stride_of(part.cols)};
    at += capacity_ * stride_of(part.cols);
  }
}

void ForwardPass::norm(MatrixView<float> x, const std::vector<float>& weight) const {
  if (!weight.empty()) backend.rms_norm(x, weight, static_cast<float>(config.rms_norm_eps), x);
}

void ForwardPass::show(std::string_view name, std::int64_t layer, MatrixView<const float> x) const {
  if (observer == nullptr) return;
  std::vector<float> dense;
  if (x.stride != x.cols) {
    dense.reserve(static_cast<std::size_t>(x.rows * x.cols));
    for (std::int64_t t = 0; t < x.rows; ++t) dense.insert(dense.end(), x.row(t), x.row(t) + x.cols);
    x.data = dense.data();
  }
  observer->on_tensor(name, static_cast<int>(layer), x.data, x.rows, x.cols);
}

}  // namespace bitnet::model
