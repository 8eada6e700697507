#pragma once

#include <string>
#include <string_view>

namespace bitnet {

/// A name from untrusted input as it may stand in a message: in quotes, control characters replaced by '?', and cut
/// after 128 bytes (never inside a UTF-8 sequence).
[[nodiscard]] std::string quote_name(std::string_view name);

}  // namespace bitnet
