#include "engine/perplexity.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <span>
#include <vector>

#include "base/fail.h"
#include "engine/engine_state.h"

namespace bitnet {
namespace {

constexpr std::int64_t kDefaultContext = 2048;
// Rows of logits that exist at a time: 66 MB for a vocabulary of 128,256.
constexpr std::int64_t kChunk = 128;

/// -ln softmax(logits)[target]
double surprise(std::span<const float> logits, std::int32_t target) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return std::log(sum) + most - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

PerplexityOptions complete(PerplexityOptions options, std::int64_t model_context) {
  if (options.context == 0) options.context = std::min(model_context, kDefaultContext);
  if (options.context < 2 || options.context > model_context) {
    fail(ErrorKind::invalid_argument, "context is {}; expected 2 to {}, what the model can see", options.context,
         model_context);
  }
  if (options.stride == 0) options.stride = options.context / 2;
  if (options.stride < 1 || options.stride >= options.context) {
    fail(ErrorKind::invalid_argument, "stride is {}; expected 1 to {}, less than the context", options.stride,
         options.context - 1);
  }
  return options;
}

}  // namespace

double Perplexity::nats_per_token() const { return nats / static_cast<double>(tokens); }
double Perplexity::perplexity() const { return std::exp(nats_per_token()); }
double Perplexity::bits_per_byte() const { return nats / std::log(2.0) / static_cast<double>(bytes); }

Perplexity measure_perplexity(const Engine& engine, std::string_view text, const PerplexityOptions& given) {
  const PerplexityOptions options = complete(given, engine.config().max_position_embeddings);
  const std::vector<std::int32_t> ids = engine.tokenizer().encode(text);
  const auto count = static_cast<std::int64_t>(ids.size());
  if (count < 2) fail(ErrorKind::invalid_argument, "the text has {} tokens; there is nothing to predict", count);

  EngineState& state = engine.state();
  const std::lock_guard lock(state.computing);
  model::Transformer& model = *state.transformer;
  const std::int64_t vocab = engine.config().vocab_size;
  std::vector<float> logits(static_cast<std::size_t>(std::min(kChunk, count) * vocab));
  model::KvSequence sequence = model.make_sequence();
  model::KvSequence* const sequences[] = {&sequence};

  Perplexity result;
  result.bytes = static_cast<std::int64_t>(text.size());
  std::int64_t predicted = 1;  // the next token to predict; nothing comes before the first
  for (std::int64_t begin = 0; predicted < count; begin += options.stride) {
    const std::int64_t end = std::min(begin + options.context, count);
    sequence.truncate(0);
    for (std::int64_t at = begin; at < end; at += kChunk) {
      std::vector<model::BatchToken> batch;
      const std::int64_t chunk_end = std::min(at + kChunk, end);
      for (std::int64_t t = at; t < chunk_end; ++t) {
        batch.push_back({ids[static_cast<std::size_t>(t)], 0, t + 1 >= predicted && t + 1 < end});
      }
      model.forward(batch, sequences, {logits.data(), std::min(kChunk, count), vocab});
      std::int64_t row = 0;
      for (const model::BatchToken& token : batch) {
        if (!token.wants_logits) continue;
        const auto offset = static_cast<std::size_t>(row++ * vocab);
        result.nats += surprise(std::span(logits).subspan(offset, static_cast<std::size_t>(vocab)),
                                ids[static_cast<std::size_t>(predicted)]);
        ++result.tokens;
        ++predicted;
      }
      if (options.on_progress) options.on_progress(static_cast<double>(predicted) / static_cast<double>(count));
    }
  }
  return result;
}

}  // namespace bitnet
