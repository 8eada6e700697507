#include "bitnet/embed.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "engine/engine_state.h"

namespace bitnet {
namespace {

using Ids = std::vector<std::int32_t>;

// Tokens of a pass, counted in whole blocks of the cache, which is what bounds its memory: 235 MB for a 0.6B model.
constexpr std::int64_t kPassTokens = 1024;

/// sentence-transformers writes down beside a checkpoint how it pools.
void check_pooling(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "1_Pooling" / "config.json";
  if (folder.empty() || !std::filesystem::exists(path)) return;
  const std::string source = path.string();
  const Json json = parse_json(read_text_file(path, std::size_t{1} << 20), source);
  if (!json.is_object()) fail(ErrorKind::corrupt, "{}: expected a JSON object", source);
  const JsonReader in(json, source, "");
  for (const auto& [name, value] : json.items()) {
    constexpr std::string_view kMode = "pooling_mode_";
    if (!name.starts_with(kMode) || in.boolean_or(name, false) == (name == "pooling_mode_lasttoken")) continue;
    fail(ErrorKind::unsupported, "{}: {} is {}; supported is pooling_mode_lasttoken alone", source, name, value.dump());
  }
}

/// The ids of a text, special tokens included, at most `most`.
Ids encode_at_most(const Tokenizer& tokenizer, const std::string& text, std::int64_t most, bool& cut) {
  Ids ids = tokenizer.encode(text);
  cut = std::ssize(ids) > most;
  if (!cut) return ids;
  const Ids body = tokenizer.encode(text, false);  // the template's tokens stand around it
  const auto begin = std::search(ids.begin(), ids.end(), body.begin(), body.end());
  const auto excess = std::min(std::ssize(ids) - most, std::ssize(body));
  const auto end = begin + std::ssize(body);
  ids.erase(end - excess, end);
  return ids;
}

void check_length(const Ids& ids, std::size_t text, std::int64_t most) {
  if (ids.empty()) fail(ErrorKind::invalid_argument, "text {} has no tokens; there is nothing to embed", text + 1);
  if (std::ssize(ids) > most) {
    fail(ErrorKind::limit, "text {} has {} tokens, but the model's context is {}; shorten it or let it be cut",
         text + 1, ids.size(), most);
  }
}

void normalize(std::span<float> row, std::size_t text) {
  double sum = 0.0;
  for (const float x : row) sum += static_cast<double>(x) * x;
  if (!std::isfinite(sum)) {
    fail(ErrorKind::corrupt, "the network's output for text {} is not finite; the checkpoint's weights are broken",
         text + 1);
  }
  const double length = std::max(std::sqrt(sum), 1e-12);  // as torch's normalize
  for (float& x : row) x = static_cast<float>(x / length);
}

/// One pass: texts [begin, end).
void embed_pass(EngineState& state, std::span<const Ids> texts, std::size_t begin, std::size_t end, Embeddings& out) {
  std::vector<model::KvSequence> sequences;
  std::vector<model::BatchToken> batch;
  for (std::size_t text = begin; text < end; ++text) {
    sequences.push_back(state.transformer->make_sequence());
    for (const std::int32_t id : texts[text]) batch.push_back({id, static_cast<std::int32_t>(text - begin), false});
    batch.back().wants_logits = true;
  }
  std::vector<model::KvSequence*> pointers;
  for (model::KvSequence& sequence : sequences) pointers.push_back(&sequence);
  float* const rows = out.values.data() + begin * static_cast<std::size_t>(out.dimensions);
  state.transformer->forward_hidden(batch, pointers, {rows, std::ssize(pointers), out.dimensions});
  for (std::size_t text = begin; text < end; ++text) {
    normalize(std::span(out.values)
                  .subspan(text * static_cast<std::size_t>(out.dimensions), static_cast<std::size_t>(out.dimensions)),
              text);
  }
}

}  // namespace

Embeddings embed_ids(const Engine& engine, std::span<const Ids> texts,
                     const std::function<void(double fraction)>& on_progress) {
  EngineState& state = engine.state();
  check_pooling(state.folder);
  Embeddings out;
  out.dimensions = engine.config().hidden_size;
  for (std::size_t text = 0; text < texts.size(); ++text) {
    check_length(texts[text], text, engine.config().max_position_embeddings);
    out.tokens.push_back(std::ssize(texts[text]));
  }
  out.values.resize(texts.size() * static_cast<std::size_t>(out.dimensions));
  const std::int64_t block = state.backend.kv_block_tokens();
  for (std::size_t begin = 0; begin < texts.size();) {
    std::size_t end = begin;
    for (std::int64_t tokens = 0; end < texts.size(); ++end) {
      tokens += (out.tokens[end] + block - 1) / block * block;
      if (end > begin && tokens > kPassTokens) break;
    }
    {
      const std::lock_guard lock(state.computing);
      embed_pass(state, texts, begin, end, out);
    }
    begin = end;
    if (on_progress) on_progress(static_cast<double>(begin) / static_cast<double>(texts.size()));
  }
  return out;
}

Embeddings embed(const Engine& engine, std::span<const std::string> texts, const EmbedOptions& options) {
  const std::int64_t context = engine.config().max_position_embeddings;
  std::vector<Ids> ids;
  std::vector<std::size_t> truncated;
  for (const std::string& text : texts) {
    bool cut = false;
    const std::int64_t most = options.truncate ? context : std::numeric_limits<std::int64_t>::max();
    ids.push_back(encode_at_most(engine.tokenizer(), options.prefix + text, most, cut));
    if (cut) truncated.push_back(ids.size() - 1);
  }
  Embeddings out = embed_ids(engine, ids, options.on_progress);
  out.truncated = std::move(truncated);
  return out;
}

}  // namespace bitnet
