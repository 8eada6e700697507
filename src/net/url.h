#pragma once
/// What is needed of RFC 3986, on libcurl's parser.

#include <optional>
#include <string>
#include <string_view>

namespace bitnet::net {

/// A path or a part of one, with everything but letters, digits, "-._~" and the bytes of `kept` as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text, std::string_view kept = "");

/// The absolute http or https address that `reference` (a Location header) means when it stands at `base`; none when
/// it is malformed or of another scheme.
[[nodiscard]] std::optional<std::string> resolve_url(const std::string& base, const std::string& reference);

/// Whether scheme, host and port are the same; false for a malformed one.
[[nodiscard]] bool same_origin(const std::string& one, const std::string& other);

/// An address as it may stand in a message: without name, password, query and fragment, where secrets are.
[[nodiscard]] std::string printable_url(const std::string& url);

}  // namespace bitnet::net
