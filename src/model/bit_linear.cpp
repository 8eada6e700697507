#include <array>
#include <cassert>

#include "model/forward_pass.h"

namespace bitnet::model {

namespace {

/// out[i] = linear layer i of x as it is.
void apply_to_input(const ForwardPass& pass, MatrixView<const float> x, std::span<const LinearWeights* const> layers,
                    std::span<const MatrixView<float>> out) {
  constexpr std::size_t kMost = 3;  // q, k, v
  assert(layers.size() == out.size() && layers.size() <= kMost);
  std::array<const backend::TernaryWeights*, kMost> ternary{};
  std::array<MatrixView<float>, kMost> ternary_out;
  std::size_t count = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i]->ternary) {
      ternary[count] = layers[i]->ternary.get();
      ternary_out[count++] = out[i];
    } else {
      pass.backend.linear(x, *layers[i]->dense, layers[i]->dense_bias, out[i]);
    }
  }
  if (count == 0) return;
  MatrixView<const float> input = x;
  if (pass.config.quantization.use_rms_norm) {
    MatrixView<float> normed = pass.work.input;
    normed.cols = x.cols;
    pass.backend.rms_norm(x, {}, static_cast<float>(pass.config.quantization.rms_norm_eps), normed);
    input = normed;
  }
  pass.backend.bit_linear(input, std::span(ternary).first(count), std::span(ternary_out).first(count));
}

}  // namespace

void apply_linears(const ForwardPass& pass, MatrixView<const float> x, std::span<const LinearWeights* const> layers,
                   std::span<const MatrixView<float>> out) {
  if (layers.front()->input_norm.empty()) {
    apply_to_input(pass, x, layers, out);
    return;
  }
  MatrixView<float> normed = pass.work.input;
  normed.cols = x.cols;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    pass.backend.rms_norm(x, layers[i]->input_norm, static_cast<float>(pass.config.rms_norm_eps), normed);
    apply_to_input(pass, normed, layers.subspan(i, 1), out.subspan(i, 1));
  }
}

}  // namespace bitnet::model
