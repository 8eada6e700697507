#pragma once
/// The four Unicode normalization forms, keeping track of which character became which.

#include <string_view>
#include <vector>

#include "text/aligned_text.h"

namespace bitnet::text {

enum class NormalizationForm { nfc, nfd, nfkc, nfkd };

/// `text` must be valid UTF-8. O(n log n).
[[nodiscard]] std::vector<Transformed> normalize_unicode(std::string_view text, NormalizationForm form);

}  // namespace bitnet::text
