#pragma once
/// How text is cut into words before byte-level BPE: the names that GGUF files have for it, and what they stand for.

#include <string_view>

namespace bitnet::loading {

struct PreTokenizer {
  std::string_view name;     ///< "tokenizer.ggml.pre"
  std::string_view pattern;  ///< regular expression of its tokens; empty: that of GPT-2
  bool single_digits;        ///< cut digits off first, each by itself
  bool nfc;                  ///< normalize to NFC before
  bool ignore_merges;        ///< a word that is a token is not taken apart
  bool add_bos;              ///< unless the file says otherwise
};

inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The first of those that say the same is the one that is written.
inline constexpr PreTokenizer kPreTokenizers[] = {
    {"llama-bpe", kLlama3Pattern, false, false, true, true},
    {"llama3", kLlama3Pattern, false, false, true, true},
    {"llama-v3", kLlama3Pattern, false, false, true, true},
    {"falcon3", kLlama3Pattern, false, false, true, true},
    {"qwen2", kQwen2Pattern, false, true, false, false},
    {"gpt-2", "", false, false, false, false},
    {"smollm", "", true, false, false, false},
    {"starcoder", "", true, false, false, false},
};

}  // namespace bitnet::loading
