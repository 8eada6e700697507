#include "cli/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace bitnet::cli {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> before_last(b.size() + 1);
  std::vector<int> last(b.size() + 1);
  std::vector<int> row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string suggestion(std::string_view typed, std::span<const std::string> choices) {
  if (choices.empty() || typed.size() > 100) return {};
  const auto nearest = std::min_element(choices.begin(), choices.end(), [&](const auto& x, const auto& y) {
    return edit_distance(typed, x) < edit_distance(typed, y);
  });
  const int near_enough = std::max(2, static_cast<int>(typed.size()) / 3);
  if (edit_distance(typed, *nearest) > near_enough) return {};
  return fmt::format("; did you mean '{}'?", *nearest);
}

}  // namespace bitnet::cli
