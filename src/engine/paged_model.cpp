#include "engine/paged_model.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/fail.h"

namespace bitnet {
namespace {

// A caller can stop between two of these, also in a long prompt.
constexpr std::size_t kPieceTokens = 512;

PagedSequence& paged(const generate::Step& step) { return static_cast<PagedSequence&>(*step.sequence); }

}  // namespace

void PagedSequence::truncate(std::int64_t length) {
  cache.truncate(std::min(length, cache.length()));
  ids.resize(static_cast<std::size_t>(length));
}

PagedModel::PagedModel(EngineState& state, const InferenceSettings& settings, std::function<bool()> go_on,
                       std::span<GenerationDetails> details)
    : state_(state), settings_(settings), go_on_(std::move(go_on)), details_(details) {}

PagedModel::Batch PagedModel::batch_of(std::span<const generate::Step> steps) const {
  Batch batch;
  for (const generate::Step& step : steps) {
    const auto place = static_cast<std::int32_t>(batch.sequences.size());
    PagedSequence& sequence = paged(step);
    batch.sequences.push_back(&sequence.cache);
    const std::int64_t past = sequence.cache.length();
    if (!settings_.use_cache) {
      for (const std::int32_t id : sequence.ids) batch.tokens.push_back({id, place, false});
    }
    for (const std::int32_t id : step.ids) batch.tokens.push_back({id, place, false});
    for (std::size_t i = 0; i < step.needed.size(); ++i) {
      batch.tokens[batch.tokens.size() - 1 - i].wants_logits = true;
    }
    batch.needed.insert(batch.needed.end(), step.needed.begin(), step.needed.end());
    const std::int64_t tokens = std::ssize(step.ids) + (settings_.use_cache ? 0 : std::ssize(sequence.ids));
    batch.parts.push_back({tokens, past});
  }
  return batch;
}

generate::Computed PagedModel::forward(std::span<const generate::Step> steps, bool wants_hidden) {
  const Batch batch = batch_of(steps);
  const ModelConfig& config = state_.transformer->config();
  std::optional<PassRecorder> recorder;
  if (wants_hidden || settings_.output_hidden_states || settings_.output_attentions) {
    recorder.emplace(config, settings_.output_hidden_states, settings_.output_attentions, wants_hidden);
  }
  compute(batch, recorder ? &*recorder : nullptr);
  if (!first_logits_) first_logits_ = watch_.seconds();
  measure_cache(batch);
  if (recorder) record(steps, batch, *recorder);

  generate::Computed computed;
  computed.logits = {logits_.data(), std::ssize(batch.needed), config.vocab_size};
  if (wants_hidden) {
    hidden_.clear();
    std::size_t first = 0;
    for (std::size_t s = 0; s < steps.size(); ++s) {
      const auto tokens = static_cast<std::size_t>(batch.parts[s].tokens);
      for (std::size_t t = first + tokens - steps[s].ids.size(); t < first + tokens; ++t) {
        const std::vector<float>& row = recorder->rows("final_norm", -1)[t];
        hidden_.insert(hidden_.end(), row.begin(), row.end());
      }
      first += tokens;
    }
    computed.hidden = {hidden_.data(), std::ssize(hidden_) / config.hidden_size, config.hidden_size};
  }
  for (const generate::Step& step : steps) {
    PagedSequence& sequence = paged(step);
    sequence.ids.insert(sequence.ids.end(), step.ids.begin(), step.ids.end());
    if (!settings_.use_cache) sequence.cache.truncate(0);
  }
  return computed;
}

void PagedModel::compute(const Batch& batch, ForwardObserver* observer) {
  const std::int64_t vocab = vocab_size();
  logits_.resize(batch.needed.size() * static_cast<std::size_t>(vocab));
  MatrixView<float> logits{logits_.data(), std::ssize(batch.needed), vocab};
  std::span<const model::BatchToken> tokens = batch.tokens;
  std::span<const backend::TopRows> needed = batch.needed;
  while (!tokens.empty()) {
    const auto piece = tokens.first(std::min(tokens.size(), kPieceTokens));
    tokens = tokens.subspan(piece.size());
    const auto wanted = std::count_if(piece.begin(), piece.end(), [](const auto& token) { return token.wants_logits; });
    {
      const std::lock_guard lock(state_.computing);
      head_rows_ += state_.transformer->forward(piece, batch.sequences, logits.first_rows(wanted), observer,
                                                needed.first(static_cast<std::size_t>(wanted)));
    }
    needed = needed.subspan(static_cast<std::size_t>(wanted));
    logits.data += wanted * logits.stride;
    logits.rows -= wanted;
    if (!tokens.empty() && go_on_ && !go_on_()) fail(ErrorKind::cancelled, "stopped by the caller");
  }
}

void PagedModel::record(std::span<const generate::Step> steps, const Batch& batch, const PassRecorder& recorder) {
  std::int64_t token = 0;
  for (std::size_t first = 0; first < steps.size();) {
    std::size_t last = first;
    std::int64_t tokens = 0;
    while (last < steps.size() && steps[last].prompt == steps[first].prompt) tokens += batch.parts[last++].tokens;
    const auto rows = std::span(batch.parts).subspan(first, last - first);
    recorder.add_step(token, rows, details_[static_cast<std::size_t>(steps[first].prompt)]);
    token += tokens;
    first = last;
  }
}

void PagedModel::measure_cache(const Batch& batch) {
  std::unordered_set<const backend::KvBlock*> blocks;
  for (const model::KvSequence* sequence : batch.sequences) {
    blocks.insert(sequence->blocks(), sequence->blocks() + sequence->block_count());
  }
  const std::int64_t bytes = state_.backend.kv_block_bytes(state_.transformer->kv_shape());
  cache_bytes_ = std::max(cache_bytes_, static_cast<std::int64_t>(blocks.size()) * bytes);
}

}  // namespace bitnet
