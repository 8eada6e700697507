#pragma once
/// How results look in --json and in words; shared by the commands that generate.

#include <string>

#include "base/json.h"
#include "bitnet/session.h"

namespace bitnet::cli {

/// "length", "eos", "stop_string", "cancelled"
[[nodiscard]] const char* name_of(FinishReason reason);

/// Prompt tokens that were computed, over the time until the first token's logits; 0 when there was no time.
[[nodiscard]] double prompt_rate(const Generation& generation);
/// New tokens after the first one, over the time that they took; 0 when there was none.
[[nodiscard]] double generation_rate(const Generation& generation);

[[nodiscard]] Json to_json(const Generation& generation);

/// "[11 prompt tokens, 523.1 tokens/s; 128 new tokens, 310.2 tokens/s]"
[[nodiscard]] std::string summary(const Generation& generation);

/// "1.18 GB", "14.7 MB": powers of ten, as memory bandwidth is given.
[[nodiscard]] std::string format_bytes(double bytes);

}  // namespace bitnet::cli
