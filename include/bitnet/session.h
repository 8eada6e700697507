#pragma once
/// One conversation with a loaded model.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitnet/engine.h"
#include "bitnet/settings.h"

namespace bitnet {

enum class FinishReason {
  length,       ///< max_new_tokens, max_length or the model's context was reached
  eos,          ///< an end-of-sequence token
  stop_string,  ///< one of settings.stop_strings
  max_time,     ///< settings.max_time was over
  cancelled,    ///< the callback said stop
};

/// Numbers with a shape, row-major.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<float> data;
};

struct NamedArray {
  std::string name;
  Array array;
};

/// Whether an array of this name is to be kept.
using WantsArray = std::function<bool(std::string_view name)>;

/// How the results of one prompt came about. A step is one pass of the network; in the first one there is one row, the
/// prompt, for all that comes of it. In later ones each result that still runs is a row, or each beam, or each of the
/// top_k candidates of a contrastive search. With use_cache the tokens of a step are those that are new.
struct GenerationDetails {
  /// [num_return_sequences][longest]: prompt and new ids, the shorter ones filled up with pad_token_id.
  std::vector<std::vector<std::int32_t>> sequences;
  std::vector<float> sequences_scores;  ///< beam modes: [num_return_sequences]: Σ log p / length^length_penalty
  /// Beam modes: [num_return_sequences][longest]: the beam that each new token continued; filled up with -1.
  std::vector<std::vector<std::int32_t>> beam_indices;
  /// output_scores: for each new token [num_return_sequences, vocab]; the rows of results that have ended are 0.
  /// Beam modes: for each step [rows, vocab], log-probabilities; in the first step one row for each group.
  std::vector<Array> scores;
  /// output_hidden_states: for each step and layer [rows, tokens, hidden_size]: the embedding, the output of each block
  /// but the last, and the final norm's.
  std::vector<std::vector<Array>> hidden_states;
  /// output_attentions: for each step and layer [rows, heads, tokens, keys], 0 beyond a token's own position.
  std::vector<std::vector<Array>> attentions;
};

struct Generation {
  std::vector<std::int32_t> prompt_ids;
  std::vector<std::int32_t> ids;  ///< new tokens, an EOS included
  std::string text;               ///< ids decoded, special tokens and the stop string left out
  FinishReason finish = FinishReason::length;
  std::int64_t reused_tokens = 0;  ///< prompt tokens whose keys and values were still in the cache
  float score = 0;                 ///< beam modes: Σ log p / length^length_penalty
  /// When settings ask for it; one for all results of a prompt.
  std::shared_ptr<const GenerationDetails> details;

  // --- of all prompts that were computed together
  std::int64_t head_rows = 0;    ///< logits computed from the full head, all tokens together (EngineOptions::head_copy)
  std::int64_t cache_bytes = 0;  ///< the most that keys and values took at a time; what is shared counts once
  double prompt_seconds = 0;     ///< until the first token's logits
  double generation_seconds = 0;  ///< from then to the last token
};

/// Receives text as it becomes final; never half of a character. Also called with nothing between two passes of the
/// network. Returns false to stop.
using OnText = std::function<bool(std::string_view text)>;

/// The same with the place of the result in the list that is returned.
using OnResultText = std::function<bool(std::size_t result, std::string_view text)>;

/// Keeps the KV cache of its last sequence: what a next prompt shares with it is not computed again. The result is
/// the same as without. Move-only; one thread at a time; several sessions of one engine may live side by side.
class Session {
 public:
  explicit Session(const Engine& engine);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Continues `prompt` (settings.prefix is put before it; the tokenizer's own special tokens are added).
  /// Throws Error: bad settings, invalid UTF-8, a prompt longer than the context, num_return_sequences other than 1,
  /// a system_prompt (that is reply()'s).
  Generation generate(std::string_view prompt, const InferenceSettings& settings, const OnText& on_text = {});

  /// Continues token ids as they are: a prefix or system_prompt is for whoever made them. Works without a tokenizer;
  /// `text` then stays empty, and stop_strings are an Error(not_found).
  Generation generate(std::span<const std::int32_t> prompt_ids, const InferenceSettings& settings,
                      const OnText& on_text = {});

  /// Renders the messages with the checkpoint's chat template (settings.system_prompt first, when set and the
  /// messages have no system message) and generates the assistant's answer. Throws Error as generate() does, and for a
  /// prefix.
  Generation reply(std::span<const ChatMessage> messages, const InferenceSettings& settings,
                   const OnText& on_text = {});

  /// The ids that reply() continues.
  [[nodiscard]] std::vector<std::int32_t> reply_prompt(std::span<const ChatMessage> messages,
                                                       const InferenceSettings& settings) const;

  /// Continues each prompt, settings.batch_size of them at a time, and returns settings.num_return_sequences results
  /// for each, those of one prompt together (beam modes: the best first). A prompt's results do not depend on the
  /// others. Prompts may differ in length; nothing is padded.
  std::vector<Generation> generate_batch(std::span<const std::string> prompts, const InferenceSettings& settings,
                                         const OnResultText& on_text = {});
  std::vector<Generation> generate_batch(std::span<const std::vector<std::int32_t>> prompts,
                                         const InferenceSettings& settings, const OnResultText& on_text = {});

  /// Logits of every position of `ids`, [ids.size(), vocab_size] row after row, from an empty cache.
  std::vector<float> logits(std::span<const std::int32_t> ids);

  /// What the network makes of `ids` from an empty cache, under the names and in the shapes of TransformerLens, in the
  /// order in which it is made: "hook_embed", "blocks.N.attn.hook_pattern" …, "logits"; all of them, or those that are
  /// `wanted`. docs/formats/activation-dump.md lists them. Throws Error(limit) when they would take more than 4 GiB, or
  /// `ids` more than the context; Error(invalid_argument) for an id outside of the vocabulary.
  std::vector<NamedArray> activations(std::span<const std::int32_t> ids, const WantsArray& wanted = {});

  /// Forgets the cached sequence.
  void reset();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnet
