#pragma once
/// bitnet run --html: a page that shows attention by itself, in any browser, without a network.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bitnet/session.h"

namespace bitnet::cli {

/// attention_page.html, with "__DATA__" where the data goes.
extern const char kAttentionPage[];

struct AttentionView {
  std::string model;
  std::vector<std::string> tokens;  ///< as text; anything may be in it
  std::size_t prompt_tokens = 0;
  /// For each layer [1, heads, tokens, tokens], as Session::activations has them.
  std::vector<const Array*> patterns;
};

/// Throws Error(limit) when the patterns of so many tokens are more than a page may hold.
void require_attention_fits(const ModelConfig& config, std::size_t tokens);

/// The data are JSON: model, tokens, prompt (how many tokens of it), layers, heads, and for each layer patterns, in
/// base64 one byte round(255·√p) for each head, query and key up to the query.
[[nodiscard]] std::string attention_page(const AttentionView& view);

/// What each id adds to the text. A token that only begins a character has its own name in the vocabulary.
[[nodiscard]] std::vector<std::string> token_texts(const Tokenizer& tokenizer, std::span<const std::int32_t> ids);

}  // namespace bitnet::cli
