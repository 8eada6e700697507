#pragma once

#include <cstdint>
#include <span>

namespace bitnet::backend {

/// Which outputs of a large linear layer somebody needs exactly: whoever picks the best of a vocabulary does not
/// need the worst.
struct TopRows {
  /// The `keep` largest outputs, and all that rounding could make equal to the smallest of them (within 2^-21 of its
  /// size); 0: every output.
  std::int64_t keep = 0;
  /// Outputs that may still be made smaller before somebody picks. They do not count towards `keep`, and are exact
  /// themselves where they could be among the largest. Sorted, without repetition.
  std::span<const std::int32_t> lowered = {};
};

}  // namespace bitnet::backend
