#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/aligned_buffer.h"
#include "bitnet/model_config.h"
#include "model/rope.h"
#include "model/weights.h"
#include "observe/forward_observer.h"

namespace bitnet::model {

/// The activations of one pass, allocated for as many tokens as the largest pass so far.
class Workspace {
 public:
  explicit Workspace(const ModelConfig& config) : config_(&config) {}
  /// Makes room for `tokens` rows; views taken before are no longer valid.
  void reserve(std::int64_t tokens);

  MatrixView<float> x;       // (tokens, hidden), the residual stream
  MatrixView<float> normed;  // (tokens, hidden)
  MatrixView<float> branch;  // (tokens, hidden), what a sub-layer adds to x
  MatrixView<float> q;       // (tokens, heads * head_dim)
  MatrixView<float> k;       // (tokens, kv_heads * head_dim)
  MatrixView<float> v;       // (tokens, kv_heads * head_dim)
  MatrixView<float> z;       // (tokens, heads * head_dim), attention's output
  MatrixView<float> gate;    // (tokens, intermediate)
  MatrixView<float> up;      // (tokens, intermediate)
  MatrixView<float> input;   // (tokens, the widest of all), a linear's normalized input

 private:
  const ModelConfig* config_;
  AlignedBuffer memory_;
  std::int64_t capacity_ = 0;
};

/// What every layer of one forward pass shares.
struct ForwardPass {
  const ModelConfig& config;
  backend::Backend& backend;
  const backend::KvShape& kv;
  const RopeTable& rope;
  const RopeTable& local_rope;  // of layers with sliding attention
  std::span<const backend::KvCursor> tokens;
  Workspace& work;
  ForwardObserver* observer;  // null: nobody listens

  /// x = RMSNorm(x), where the model has that norm.
  void norm(MatrixView<float> x, const std::vector<float>& weight) const;
  /// Observers see rows without gaps; ours may be padded.
  void show(std::string_view name, std::int64_t layer, MatrixView<const float> x) const;
};

/// out[i] = linear layer i of x. The layers share their input, so a ternary group quantizes it once, unless each
/// normalizes it in its own way.
void apply_linears(const ForwardPass& pass, MatrixView<const float> x, std::span<const LinearWeights* const> layers,
                   std::span<const MatrixView<float>> out);

/// out = Attention(x), with rotary positions, the KV cache and grouped queries (Ainslie et al. 2023).
void attention(const ForwardPass& pass, std::int64_t layer, const LayerWeights& weights, MatrixView<const float> x,
               MatrixView<float> out);

/// out = FeedForward(x): gated (Shazeer 2020) or the plain two-layer form.
void feed_forward(const ForwardPass& pass, std::int64_t layer, const LayerWeights& weights, MatrixView<const float> x,
                  MatrixView<float> out);

/// x += Attention(Norm(x)); x += FeedForward(Norm(x)), each branch normalized once more where the model does so. Works
/// on pass.work.x.
void transformer_block(const ForwardPass& pass, std::int64_t layer, const LayerWeights& weights);

}  // namespace bitnet::model
