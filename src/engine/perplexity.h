#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "bitnet/engine.h"

namespace bitnet {

struct Perplexity {
  std::int64_t tokens = 0;  ///< predicted tokens: all but the first
  std::int64_t bytes = 0;   ///< of the text
  double nats = 0;          ///< Σ -ln p(token | its context)

  [[nodiscard]] double nats_per_token() const;
  [[nodiscard]] double perplexity() const;
  [[nodiscard]] double bits_per_byte() const;
};

struct PerplexityOptions {
  std::int64_t context = 0;  ///< tokens of a window; 0: the model's context, at most 2048
  std::int64_t stride = 0;   ///< from window to window, less than context; 0: half of it
  std::function<void(double fraction)> on_progress;
};

/// How well the model predicts a text, in overlapping windows: each window predicts the tokens that the one before did
/// not reach, so that all but the first window's see at least context - stride tokens before them. The tokenizer's
/// special tokens are added once, at the start.
/// Throws Error for options out of range, a text of fewer than two tokens, and invalid UTF-8.
[[nodiscard]] Perplexity measure_perplexity(const Engine& engine, std::string_view text,
                                            const PerplexityOptions& options = {});

}  // namespace bitnet
