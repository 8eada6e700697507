#include "model/transformer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/fail.h"

namespace bitnet::model {
namespace {

// Tokens of one pass through the layers: enough to use the matrix units, few enough to keep activations in cache.
constexpr std::size_t kChunkTokens = 256;

}  // namespace

Transformer::Transformer(ModelConfig config, ModelWeights weights, backend::Backend& backend, backend::KvType kv_type)
    : config_(std::move(config)),
      weights_(std::move(weights)),
      backend_(backend),
      kv_shape_{config_.num_hidden_layers, config_.num_key_value_heads, config_.head_dim, kv_type},
      rope_(config_),
      work_(config_) {
  if (config_.rope_local_base_freq) local_rope_.emplace(config_.head_dim, *config_.rope_local_base_freq, RopeScaling{});
}

void Transformer::check(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences) const {
  std::vector<std::int64_t> lengths;
  for (const KvSequence* sequence : sequences) lengths.push_back(sequence->length());
  for (const BatchToken& token : batch) {
    if (token.id < 0 || token.id >= config_.vocab_size) {
      fail(ErrorKind::invalid_argument, "token id {} is outside of the vocabulary of {}", token.id, config_.vocab_size);
    }
    if (++lengths[static_cast<std::size_t>(token.sequence)] > config_.max_position_embeddings) {
      fail(ErrorKind::limit, "the sequence would be longer than the model's context of {} tokens",
           config_.max_position_embeddings);
    }
  }
}

void Transformer::forward_chunks(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                                 ForwardObserver* observer, const std::function<void(MatrixView<const float>)>& use) {
  check(batch, sequences);
  while (!batch.empty()) {
    const std::size_t count = std::min(batch.size(), kChunkTokens);
    const std::int64_t wanted = forward_chunk(batch.first(count), sequences, observer);
    batch = batch.subspan(count);
    if (wanted != 0) use(work_.normed.first_rows(wanted));
  }
}

std::int64_t Transformer::forward(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                                  MatrixView<float> logits, ForwardObserver* observer,
                                  std::span<const backend::TopRows> top) {
  std::int64_t written = 0;
  std::int64_t computed = 0;
  forward_chunks(batch, sequences, observer, [&](MatrixView<const float> inputs) {
    const MatrixView<float> rows{logits.row(written), inputs.rows, logits.cols, logits.stride};
    if (top.empty()) {
      backend_.linear(inputs, weights_.output(), {}, rows);
      computed += inputs.rows * rows.cols;
    } else {
      const auto of_rows = top.subspan(static_cast<std::size_t>(written), static_cast<std::size_t>(inputs.rows));
      computed += backend_.linear_top(inputs, weights_.output(), of_rows, rows);
    }
    written += inputs.rows;
  });
  return computed;
}

void Transformer::forward_hidden(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                                 MatrixView<float> hidden) {
  std::int64_t written = 0;
  forward_chunks(batch, sequences, nullptr, [&](MatrixView<const float> inputs) {
    for (std::int64_t t = 0; t < inputs.rows; ++t) std::copy_n(inputs.row(t), inputs.cols, hidden.row(written++));
  });
}

std::int64_t Transformer::forward_chunk(std::span<const BatchToken> batch, std::span<KvSequence* const> sequences,
                                        ForwardObserver* observer) {
  const auto count = static_cast<std::int64_t>(batch.size());
  std::vector<std::int64_t> next;
  for (const KvSequence* sequence : sequences) next.push_back(sequence->length());
  std::vector<std::int64_t> positions;
  std::vector<std::int32_t> ids;
  for (const BatchToken& token : batch) {
    ids.push_back(token.id);
    positions.push_back(next[static_cast<std::size_t>(token.sequence)]++);
  }
  for (std::size_t s = 0; s < sequences.size(); ++s) sequences[s]->extend(next[s] - sequences[s]->length());
  std::vector<backend::KvCursor> cursors;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    cursors.push_back({sequences[static_cast<std::size_t>(batch[i].sequence)]->blocks(), positions[i]});
  }
  work_.reserve(count);
  const std::int64_t most = 1 + *std::max_element(positions.begin(), positions.end());
  rope_.reserve(most);
  if (local_rope_) local_rope_->reserve(most);
  const ForwardPass pass{config_, backend_, kv_shape_, rope_, local_rope_ ? *local_rope_ : rope_,
                         cursors, work_,    observer};

  backend_.embed(*weights_.embed, ids, work_.x);
  if (config_.scale_embed) {
    backend_.scale(work_.x, static_cast<float>(std::sqrt(static_cast<double>(config_.hidden_size))));
  }
  pass.show("embed", -1, work_.x);
  for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    transformer_block(pass, layer, weights_.layers[static_cast<std::size_t>(layer)]);
  }
  backend_.rms_norm(work_.x, weights_.final_norm, static_cast<float>(config_.rms_norm_eps), work_.normed);
  pass.show("final_norm", -1, work_.normed);

  // The head only for those who asked; their rows move together at the front.
  std::int64_t wanted = 0;
  for (std::int64_t t = 0; t < count; ++t) {
    if (!batch[static_cast<std::size_t>(t)].wants_logits) continue;
    if (wanted != t) std::copy_n(work_.normed.row(t), work_.normed.cols, work_.normed.row(wanted));
    ++wanted;
  }
  return wanted;
}

void Transformer::run_linear(const LinearWeights& linear, MatrixView<const float> x, MatrixView<float> out) {
  work_.reserve(x.rows);
  const ForwardPass pass{config_, backend_, kv_shape_, rope_, rope_, {}, work_, nullptr};
  apply_linears(pass, x, std::array{&linear}, std::array{out});
}

const RopeTable& Transformer::rope(std::int64_t positions) {
  rope_.reserve(positions);
  return rope_;
}

}  // namespace bitnet::model
