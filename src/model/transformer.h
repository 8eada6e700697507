#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "backend/backend.h"
#include "bitnet/model_config.h"
#include "model/forward_pass.h"
#include "model/kv_cache.h"
#include "model/rope.h"
#include "model/weights.h"
#include "observe/forward_observer.h"

namespace bitnet::model {

/// One token of a ragged batch.
struct BatchToken {
  std::int32_t id;
  std::int32_t sequence;  ///< index into the call's sequences
  bool wants_logits;
};

/// The network of the paper. Prompts, decoding, many users and beams are one path: forward() of a ragged batch.
/// A token's result depends on its own sequence alone, bit for bit, however the tokens were cut into calls.
/// One forward at a time.
class Transformer {
 public:
  /// `backend` must outlive the transformer; `weights` were made by it.
  Transformer(ModelConfig config, ModelWeights weights, backend::Backend& backend, backend::KvType kv_type);

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const ModelWeights& weights() const { return weights_; }
  [[nodiscard]] const backend::KvShape& kv_shape() const { return kv_shape_; }
  [[nodiscard]] backend::Backend& backend() const { return backend_; }
  [[nodiscard]] KvSequence make_sequence() const { return {backend_, kv_shape_}; }

  /// Appends the tokens to their sequences, in the order given, and writes one row of `logits` [≥ number of tokens
  /// that want them, vocab] for each that wants them. Throws Error(invalid_argument) for an id outside of the
  /// vocabulary and Error(limit) when a sequence would outgrow max_position_embeddings; nothing has changed then.
  /// `top`, one for each row of logits when it is not empty, says which of a row's logits have to be exact; the others
  /// are -inf. Returns how many logits were computed from the full head.
  std::int64_t forward(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                       MatrixView<float> logits, ForwardObserver* observer = nullptr,
                       std::span<const backend::TopRows> top = {});

  /// The same without the head: rows of `hidden` [≥ number of tokens that want logits, hidden_size] are what the head
  /// would get, the final norm's outputs.
  void forward_hidden(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                      MatrixView<float> hidden);

  /// One linear layer by itself, as the layers use it: x [tokens, in] → out [tokens, out].
  void run_linear(const LinearWeights& linear, MatrixView<const float> x, MatrixView<float> out);

  /// Angles of positions 0..positions-1, [positions, head_dim / 2].
  const RopeTable& rope(std::int64_t positions);

 private:
  void check(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences) const;
  /// check(), then forward_chunk() for a few tokens at a time; `use` gets the head's inputs of each.
  void forward_chunks(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                      ForwardObserver* observer, const std::function<void(MatrixView<const float>)>& use);
  /// The layers; work_.normed's first rows are then the head's inputs for tokens that want logits. Returns how many.
  std::int64_t forward_chunk(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                             ForwardObserver* observer);

  ModelConfig config_;
  ModelWeights weights_;
  backend::Backend& backend_;
  backend::KvShape kv_shape_;
  RopeTable rope_;
  std::optional<RopeTable> local_rope_;  // none: rope_ serves all layers
  Workspace work_;
};

}  // namespace bitnet::model
