#pragma once

#include "base/json.h"
#include "base/log.h"
#include "formats/gguf.h"

namespace bitnet::loading {

/// What a GGUF file says about its network, as a Hugging Face config.json. Says in the log what it had to assume.
/// Throws Error(unsupported) for an architecture that is not known, Error(corrupt) for keys or tensors that are
/// missing.
[[nodiscard]] Json config_of(const formats::GgufFile& file, const LogSink& log);

/// The ids that end a text: eos_token_id, eot_token_id and, where that is missing, the token that ends a turn.
[[nodiscard]] Json end_tokens(const formats::GgufFile& file);

/// Null when the file has no array of texts of this name.
[[nodiscard]] const std::vector<std::string_view>* texts_of(const formats::GgufFile& file, std::string_view key);

}  // namespace bitnet::loading
