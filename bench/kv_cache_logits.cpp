/// What each KV cache type costs in memory and how far it moves the logits of a text, against the f32 cache.
///
///   kv_cache_logits MODEL FILE    the table of docs/kv-cache.md
///
/// Takes as much of the text as the model's context holds, in one pass.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <vector>

#include "base/text_file.h"
#include "bitnet/error.h"
#include "engine/engine_state.h"

namespace bitnet {
namespace {

struct Logits {
  std::int64_t bytes_per_token = 0;
  std::vector<std::int32_t> ids;
  std::size_t vocab = 0;
  std::vector<float> values;  // [ids, vocab]

  [[nodiscard]] std::span<const float> row(std::size_t i) const { return std::span(values).subspan(i * vocab, vocab); }
  [[nodiscard]] auto likeliest(std::size_t i) const {
    return std::max_element(row(i).begin(), row(i).end()) - row(i).begin();
  }
};

Logits logits_of(const std::string& folder, std::string_view text, KvCacheType type) {
  EngineOptions options;
  options.kv_cache = type;
  const Engine engine = Engine::load(folder, options);
  Logits result{engine.info().kv_bytes_per_token,
                engine.tokenizer().encode(text),
                static_cast<std::size_t>(engine.config().vocab_size),
                {}};
  result.ids.resize(std::min(result.ids.size(), static_cast<std::size_t>(engine.config().max_position_embeddings)));
  result.values.resize(result.ids.size() * result.vocab);
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : result.ids) batch.push_back({id, 0, true});
  model::Transformer& model = *engine.state().transformer;
  model::KvSequence sequence = model.make_sequence();
  model::KvSequence* const sequences[] = {&sequence};
  model.forward(
      batch, sequences,
      {result.values.data(), static_cast<std::int64_t>(batch.size()), static_cast<std::int64_t>(result.vocab)});
  return result;
}

/// -ln p of the tokens that follow, on average, as a perplexity.
double perplexity(const Logits& logits) {
  double nats = 0;
  for (std::size_t i = 0; i + 1 < logits.ids.size(); ++i) {
    const double most = *std::max_element(logits.row(i).begin(), logits.row(i).end());
    double sum = 0;
    for (const float x : logits.row(i)) sum += std::exp(static_cast<double>(x) - most);
    nats += std::log(sum) + most - static_cast<double>(logits.row(i)[static_cast<std::size_t>(logits.ids[i + 1])]);
  }
  return std::exp(nats / static_cast<double>(logits.ids.size() - 1));
}

void print_table(const std::string& folder, const std::string& text) {
  const Logits f32 = logits_of(folder, text, KvCacheType::f32);
  fmt::print("{} tokens           bytes a token   largest difference     mean   same likeliest token   perplexity\n",
             f32.ids.size());
  constexpr const char* kNames[] = {"f32", "f16", "q8", "q4"};
  for (int type = 0; type < static_cast<int>(std::size(kNames)); ++type) {
    const Logits logits = logits_of(folder, text, static_cast<KvCacheType>(type));
    double largest = 0;
    double sum = 0;
    for (std::size_t i = 0; i < logits.values.size(); ++i) {
      const double difference = std::fabs(static_cast<double>(logits.values[i]) - f32.values[i]);
      largest = std::max(largest, difference);
      sum += difference;
    }
    std::size_t same = 0;
    for (std::size_t i = 0; i < f32.ids.size(); ++i) same += logits.likeliest(i) == f32.likeliest(i) ? 1 : 0;
    fmt::print("{:<24}{:>8}{:>21.3f}{:>9.4f}{:>21.1f} %{:>13.3f}\n", kNames[type], logits.bytes_per_token, largest,
               sum / static_cast<double>(logits.values.size()),
               100.0 * static_cast<double>(same) / static_cast<double>(f32.ids.size()), perplexity(logits));
  }
}

}  // namespace
}  // namespace bitnet

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: kv_cache_logits MODEL FILE\n");
    return 2;
  }
  try {
    bitnet::print_table(argv[1], bitnet::read_text_file(argv[2], std::size_t{1} << 24));
  } catch (const bitnet::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
