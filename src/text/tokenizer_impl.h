#pragma once
/// What a Tokenizer and its StreamingDecoder share.

#include <memory>
#include <string_view>
#include <vector>

#include "bitnet/tokenizer.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"

namespace bitnet {

struct Tokenizer::Impl {
  explicit Impl(const text::Field& root);
  /// `padded`: simdjson::SIMDJSON_PADDING bytes after `json` may be read, as after a file mapped into memory that does
  /// not fill its last page; without them the text is copied.
  [[nodiscard]] static std::shared_ptr<const Impl> parse(std::string_view json, std::string_view source, bool padded);

  [[nodiscard]] Encoding encode(std::string_view utf8, bool add_special_tokens) const;
  /// What the decoder sees of `id`; null data when there is no such token or it is to be skipped.
  [[nodiscard]] std::string_view text_to_decode(std::int32_t id, bool skip_special_tokens) const;

  text::Bpe model;
  std::unique_ptr<const text::Normalizer> normalizer;         // may be null
  std::unique_ptr<const text::PreTokenizer> pre_tokenizer;    // may be null
  std::unique_ptr<const text::PostProcessor> post_processor;  // may be null
  std::vector<text::StageFactory> decoder;
  text::AddedTokens added;
};

}  // namespace bitnet
