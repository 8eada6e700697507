#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/log.h"
#include "formats/gguf.h"

namespace bitnet::loading {

/// Of tokenizer.ggml.token_type.
enum GgufTokenType : std::int32_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// The tokenizer of a GGUF file as a Hugging Face tokenizer.json: the copy that the file may hold
/// ("tokenizer.huggingface.json"), else made of its arrays (byte-level BPE, or SentencePiece BPE with scores). Nothing
/// when the file has no tokenizer. Throws Error(corrupt) and Error(unsupported) naming the key.
[[nodiscard]] std::optional<std::string> tokenizer_json(const formats::GgufFile& file, const LogSink& log);

/// Chat template and special tokens as a tokenizer_config.json.
[[nodiscard]] std::string tokenizer_config_json(const formats::GgufFile& file);

}  // namespace bitnet::loading
