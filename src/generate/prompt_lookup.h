#pragma once

#include <cstdint>
#include <span>

namespace bitnet::generate {

/// A guess of how `ids` go on (prompt lookup decoding, Saxena 2023): what followed the last `ngram` ids where these
/// stood before, for the longest n-gram up to `max_ngram` that did, its latest place first. At most `most` ids; a part
/// of `ids`.
[[nodiscard]] std::span<const std::int32_t> look_up_draft(std::span<const std::int32_t> ids, std::int64_t max_ngram,
                                                          std::int64_t most);

}  // namespace bitnet::generate
