#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/stopwatch.h"
#include "engine/engine_state.h"
#include "engine/pass_recorder.h"
#include "generate/sequence_model.h"

namespace bitnet {

/// A sequence of ids and its pages of the KV cache.
class PagedSequence final : public generate::Sequence {
 public:
  explicit PagedSequence(model::KvSequence cache) : cache(std::move(cache)) {}
  [[nodiscard]] std::unique_ptr<generate::Sequence> fork() const override {
    return std::make_unique<PagedSequence>(*this);
  }
  void truncate(std::int64_t length) override;

  model::KvSequence cache;
  std::vector<std::int32_t> ids;  // what the cache holds, or would hold without use_cache
};

/// The transformer as generation sees it, for one call of generate().
class PagedModel final : public generate::SequenceModel {
 public:
  /// `go_on` is asked in the middle of long passes; false ends them with Error(cancelled).
  /// `details`: [prompts], filled as the settings' output_* say.
  PagedModel(EngineState& state, const InferenceSettings& settings, std::function<bool()> go_on,
             std::span<GenerationDetails> details);

  [[nodiscard]] std::int64_t context_length() const override {
    return state_.transformer->config().max_position_embeddings;
  }
  [[nodiscard]] std::int64_t vocab_size() const override { return state_.transformer->config().vocab_size; }
  [[nodiscard]] generate::Computed forward(std::span<const generate::Step> steps, bool wants_hidden) override;

  [[nodiscard]] std::int64_t head_rows() const { return head_rows_; }
  [[nodiscard]] std::int64_t cache_bytes() const { return cache_bytes_; }
  [[nodiscard]] std::optional<double> first_logits() const { return first_logits_; }  // seconds since the start
  [[nodiscard]] double seconds() const { return watch_.seconds(); }

 private:
  /// The tokens of one pass, and what is wanted of them.
  struct Batch {
    std::vector<model::BatchToken> tokens;
    std::vector<model::KvSequence*> sequences;
    std::vector<backend::TopRows> needed;   // [tokens that want logits]
    std::vector<PassRecorder::Part> parts;  // [steps]
  };
  Batch batch_of(std::span<const generate::Step> steps) const;
  void compute(const Batch& batch, ForwardObserver* observer);
  void record(std::span<const generate::Step> steps, const Batch& batch, const PassRecorder& recorder);
  void measure_cache(const Batch& batch);

  EngineState& state_;
  const InferenceSettings& settings_;
  std::function<bool()> go_on_;
  std::span<GenerationDetails> details_;
  std::vector<float> logits_;  // [rows, vocab]
  std::vector<float> hidden_;  // [tokens, hidden], when asked for
  std::int64_t head_rows_ = 0;
  std::int64_t cache_bytes_ = 0;
  Stopwatch watch_;
  std::optional<double> first_logits_;
};

}  // namespace bitnet
