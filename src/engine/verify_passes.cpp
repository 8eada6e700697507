/// Whole prompts: in one pass, through the cache, and padded.

#include <fmt/format.h>

#include <algorithm>

#include "base/fail.h"
#include "engine/verifier.h"

namespace bitnet {

// --- whole passes

void Verifier::compare_rows(const std::string& name, const std::vector<const Rows*>& prompts, bool may_have_flipped) {
  if (!reference_.has(name)) return;
  const std::int64_t positions = std::ssize(*prompts.front());
  const ReferenceTensor theirs =
      reference_.floats(name, {std::ssize(prompts), positions, std::ssize(prompts.front()->front())});
  Difference difference;
  for (std::size_t b = 0; b < prompts.size(); ++b) {
    for (std::int64_t t = 0; t < positions; ++t) {
      difference.add((*prompts[b])[static_cast<std::size_t>(t)],
                     theirs.row(static_cast<std::int64_t>(b) * positions + t));
    }
  }
  add_scaled(difference, name, may_have_flipped);
}

void Verifier::compare_logits(const std::string& name, const std::vector<Logits>& prompts, std::int64_t first,
                              std::int64_t end, bool may_have_flipped) {
  if (!reference_.has(name)) return;
  const ReferenceTensor theirs = reference_.floats(name, {std::ssize(prompts), end - first, config_.vocab_size});
  Difference difference;
  for (std::size_t b = 0; b < prompts.size(); ++b) {
    for (std::int64_t t = first; t < end; ++t) {
      difference.add_logits(prompts[b].row(static_cast<std::size_t>(t)),
                            theirs.row(static_cast<std::int64_t>(b) * (end - first) + t - first));
    }
  }
  add(judge_network(difference.comparison(name), may_have_flipped, 1));
}

void Verifier::full_pass() {
  if (!reference_.has("input_ids")) return;
  ids_ = reference_.integers("input_ids");
  std::vector<Recorder> recorders(ids_.size());
  std::vector<model::KvSequence> sequences;
  for (std::size_t b = 0; b < ids_.size(); ++b) {
    sequences.push_back(model_.make_sequence());
    logits_.push_back(forward(sequences.back(), ids_[b], &recorders[b]));
  }
  const auto recorded = [&](std::string_view name, std::int64_t layer) {
    std::vector<const Rows*> prompts;
    for (const Recorder& recorder : recorders) prompts.push_back(&recorder.rows(name, layer));
    return prompts;
  };
  const std::int64_t layers = config_.num_hidden_layers;
  compare_rows("hidden_states.0", recorded("embed", -1), false);
  for (std::int64_t i = 1; i < layers; ++i) {
    compare_rows(fmt::format("hidden_states.{}", i), recorded("hook_resid_post", i - 1), true);
  }
  compare_rows(fmt::format("hidden_states.{}", layers), recorded("final_norm", -1), true);
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    attention(fmt::format("attentions.{}", layer), recorded("attn.hook_pattern", layer));
    cache(layer, sequences);
  }
  rope();
  compare_logits("logits", logits_, 0, std::ssize(ids_.front()), true);
}

void Verifier::attention(const std::string& name, const std::vector<const Rows*>& prompts) {
  if (!reference_.has(name)) return;
  const std::int64_t heads = config_.num_attention_heads;
  const std::int64_t tokens = std::ssize(ids_.front());
  const ReferenceTensor theirs = reference_.floats(name, {std::ssize(prompts), heads, tokens, tokens});
  Difference difference;
  for (std::int64_t b = 0; b < std::ssize(prompts); ++b) {
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        std::vector<float> ours = (*prompts[static_cast<std::size_t>(b)])[static_cast<std::size_t>(t * heads + h)];
        ours.resize(static_cast<std::size_t>(tokens));  // keys after a pass' last token have no column
        difference.add(ours, theirs.row((b * heads + h) * tokens + t));
      }
    }
  }
  add(judge_network(difference.comparison(name), true, 0.1));  // probabilities, mostly far below 1
}

void Verifier::cache(std::int64_t layer, const std::vector<model::KvSequence>& sequences) {
  const std::string keys_name = fmt::format("kv.keys.{}", layer);
  const std::string values_name = fmt::format("kv.values.{}", layer);
  if (!reference_.has(keys_name)) return;
  const std::int64_t heads = config_.num_key_value_heads;
  const std::int64_t dim = config_.head_dim;
  const std::int64_t tokens = std::ssize(ids_.front());
  const ReferenceTensor keys = reference_.floats(keys_name, {std::ssize(sequences), heads, tokens, dim});
  const ReferenceTensor values = reference_.floats(values_name, {std::ssize(sequences), heads, tokens, dim});
  Difference key_difference;
  Difference value_difference;
  std::vector<float> key(static_cast<std::size_t>(heads * dim));
  std::vector<float> value(key.size());
  for (std::int64_t b = 0; b < std::ssize(sequences); ++b) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      sequences[static_cast<std::size_t>(b)].read(layer, t, key, value);
      for (std::int64_t h = 0; h < heads; ++h) {
        const auto head = [&](const std::vector<float>& x) {
          return std::span(x).subspan(static_cast<std::size_t>(h * dim), static_cast<std::size_t>(dim));
        };
        key_difference.add(head(key), keys.row((b * heads + h) * tokens + t));
        value_difference.add(head(value), values.row((b * heads + h) * tokens + t));
      }
    }
  }
  add_scaled(key_difference, keys_name, true);
  add_scaled(value_difference, values_name, true);
}

void Verifier::rope() {
  if (!reference_.has("rope.cos")) return;
  const ReferenceTensor cos = reference_.floats("rope.cos", {1, -1, config_.head_dim});
  const std::int64_t positions = cos.dims[1];
  const ReferenceTensor sin = reference_.floats("rope.sin", {1, positions, config_.head_dim});
  const model::RopeTable& table = model_.rope(positions);
  const auto compare = [&](const ReferenceTensor& theirs, const float* ours) {
    const auto half = static_cast<std::size_t>(config_.head_dim / 2);
    Difference difference;
    for (std::int64_t t = 0; t < positions; ++t) {
      const std::span<const float> row(ours + static_cast<std::size_t>(t) * half, half);
      difference.add(row, theirs.row(t).first(half));
      difference.add(row, theirs.row(t).last(half));
    }
    add_exact(difference, theirs.name, Tolerance::kExact);
  };
  compare(cos, table.cos());
  compare(sin, table.sin());
}

// --- the same prompts through the cache: a first chunk, then single steps, or two more chunks

void Verifier::cached_passes() {
  if (ids_.empty() || !reference_.has("kv.prefill_logits")) return;
  const std::int64_t tokens = std::ssize(ids_.front());
  const std::int64_t vocab = config_.vocab_size;
  const std::int64_t prompts = std::ssize(ids_);
  const std::int64_t first = reference_.floats("kv.prefill_logits", {prompts, -1, vocab}).dims[1];
  if (first > tokens) fail(ErrorKind::corrupt, "{}: \"kv.prefill_logits\" is longer than input_ids", reference_.path());
  std::vector<Logits> steps;
  for (const Ids& ids : ids_) {
    std::vector<std::int64_t> ends = {first};
    while (ends.back() < tokens) ends.push_back(ends.back() + 1);
    steps.push_back(in_chunks(ids, ends));
  }
  compare_logits("kv.prefill_logits", steps, 0, first, true);
  compare_logits("kv.step_logits", steps, first, tokens, true);
  add_own("own: single steps against one pass", steps);

  if (!reference_.has("kv.chunk_last_logits")) return;
  const std::int64_t last = reference_.floats("kv.chunk_last_logits", {prompts, -1, vocab}).dims[1];
  if (first + last > tokens) {
    fail(ErrorKind::corrupt, "{}: \"kv.chunk_last_logits\" is longer than what follows the first chunk",
         reference_.path());
  }
  std::vector<Logits> chunks;
  for (const Ids& ids : ids_) chunks.push_back(in_chunks(ids, {first, tokens - last, tokens}));
  compare_logits("kv.chunk_last_logits", chunks, tokens - last, tokens, true);
  add_own("own: chunks against one pass", chunks);
}

Verifier::Logits Verifier::in_chunks(const Ids& ids, const std::vector<std::int64_t>& ends) {
  model::KvSequence sequence = model_.make_sequence();
  Logits logits{{}, static_cast<std::size_t>(config_.vocab_size)};
  for (const std::int64_t end : ends) {
    const auto begin = static_cast<std::size_t>(sequence.length());
    const Logits chunk = forward(sequence, std::span(ids).subspan(begin, static_cast<std::size_t>(end) - begin));
    logits.values.insert(logits.values.end(), chunk.values.begin(), chunk.values.end());
  }
  return logits;
}

void Verifier::add_own(const std::string& name, const std::vector<Logits>& ours) {
  Difference difference;
  for (std::size_t b = 0; b < ours.size(); ++b) difference.add(ours[b].values, logits_[b].values);
  add_exact(difference, name, 0);
}

/// Padding is not in our batches at all, so a padded prompt must give what the prompt alone gives.
void Verifier::left_padded() {
  if (!reference_.has("leftpad.input_ids")) return;
  const auto ids = reference_.integers("leftpad.input_ids");
  const auto mask = reference_.integers("leftpad.attention_mask");
  const std::int64_t tokens = std::ssize(ids.front());
  const ReferenceTensor theirs = reference_.floats("leftpad.logits", {std::ssize(ids), tokens, config_.vocab_size});
  if (mask.size() != ids.size() || mask.front().size() != ids.front().size()) {
    fail(ErrorKind::corrupt, "{}: \"leftpad.attention_mask\" and \"leftpad.input_ids\" differ in shape",
         reference_.path());
  }
  Difference difference;
  for (std::size_t b = 0; b < ids.size(); ++b) {
    const auto padding = std::find(mask[b].begin(), mask[b].end(), 1) - mask[b].begin();
    model::KvSequence sequence = model_.make_sequence();
    const Logits logits = forward(sequence, std::span(ids[b]).subspan(static_cast<std::size_t>(padding)));
    for (std::int64_t t = padding; t < tokens; ++t) {
      difference.add_logits(logits.row(static_cast<std::size_t>(t - padding)),
                            theirs.row(static_cast<std::int64_t>(b) * tokens + t));
    }
  }
  add(judge_network(difference.comparison("leftpad.logits"), true, 1));
}

}  // namespace bitnet
