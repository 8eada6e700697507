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
  cancelled,    ///< the callback said stop
};

struct Generation {
  std::vector<std::int32_t> prompt_ids;
  std::vector<std::int32_t> ids;  ///< new tokens, an EOS included
  std::string text;               ///< ids decoded, special tokens and the stop string left out
  FinishReason finish = FinishReason::length;
  std::int64_t reused_tokens = 0;  ///< prompt tokens whose keys and values were still in the cache
  std::int64_t head_rows = 0;  ///< logits computed from the full head, all tokens together (EngineOptions::head_copy)
  double prompt_seconds = 0;   ///< until the first token's logits
  double generation_seconds = 0;  ///< from then to the last token
};

/// Receives text as it becomes final; never half of a character. Returns false to stop.
using OnText = std::function<bool(std::string_view text)>;

/// Keeps the KV cache of its last sequence: what a next prompt shares with it is not computed again. The result is
/// the same as without. Move-only; one thread at a time; several sessions of one engine may live side by side.
class Session {
 public:
  explicit Session(const Engine& engine);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Continues `prompt` (settings.prefix is put before it; the tokenizer's own special tokens are added).
  /// Throws Error: bad settings, invalid UTF-8, a prompt longer than the context.
  Generation generate(std::string_view prompt, const InferenceSettings& settings, const OnText& on_text = {});

  /// Continues token ids as they are. Works without a tokenizer; `text` then stays empty.
  Generation generate(std::span<const std::int32_t> prompt_ids, const InferenceSettings& settings,
                      const OnText& on_text = {});

  /// Renders the messages with the checkpoint's chat template (settings.system_prompt first, when set and the
  /// messages have no system message) and generates the assistant's answer.
  Generation reply(std::span<const ChatMessage> messages, const InferenceSettings& settings,
                   const OnText& on_text = {});

  /// Logits of every position of `ids`, [ids.size(), vocab_size] row after row, from an empty cache.
  std::vector<float> logits(std::span<const std::int32_t> ids);

  /// Forgets the cached sequence.
  void reset();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnet
