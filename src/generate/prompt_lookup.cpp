#include "generate/prompt_lookup.h"

#include <algorithm>

namespace bitnet::generate {

std::span<const std::int32_t> look_up_draft(std::span<const std::int32_t> ids, std::int64_t max_ngram,
                                            std::int64_t most) {
  const auto length = static_cast<std::int64_t>(ids.size());
  const auto last = ids.rbegin();
  std::int64_t best = 0;  // ids that agree
  std::int64_t best_end = 0;
  // `end`: where an earlier place of the n-gram ends. One more id than the n-gram must be there to follow it.
  for (std::int64_t end = length - 1; end > 0 && best < max_ngram; --end) {
    const auto earlier = std::make_reverse_iterator(ids.begin() + end);
    const std::int64_t longest = std::min(max_ngram, end);
    const auto agree = std::mismatch(last, last + longest, earlier).first - last;
    if (agree > best) {
      best = agree;
      best_end = end;
    }
  }
  if (best == 0) return {};
  return ids.subspan(static_cast<std::size_t>(best_end), static_cast<std::size_t>(std::min(most, length - best_end)));
}

}  // namespace bitnet::generate
