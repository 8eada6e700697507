#include "pack/nibble_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitnet::pack {
namespace {

constexpr int kLanes = kNibbleScales;
constexpr float kLargest = 32639.0F;  // 127 · 256 + 127: both bytes stay within -128..127
// Adding and taking away 1.5 · 2^23 rounds a float of less than 2^22 to an integer, half to even.
constexpr float kRound = 12582912.0F;

/// Calls f(values[16], first weight) for each vector of the row, the last one padded with zeros.
template <typename F>
void for_vectors(const float* row, std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(row + i, i);
  if (i == n) return;
  float padded[kLanes] = {};
  std::copy(row + i, row + n, padded);
  f(padded, i);
}

}  // namespace

float nibble_bound(const NibbleSums& sums, std::int64_t n) {
  const double error = std::sqrt(static_cast<double>(sums.errors));
  const double norm = std::sqrt(static_cast<double>(sums.squares)) + error;
  const auto length = static_cast<double>(n);
  // Each input is off by at most half a step (and a rounding) of max|x| / 32639, and max|x| ≤ |x|₂. The sums of the
  // head round once for each sixteenth element and in the fold (|w|·|x| bounds their size, Cauchy-Schwarz); the copy's
  // once for each lane, in the fold, and where the bound itself is computed. The last factor covers the sums that
  // were given.
  const double input = std::sqrt(length) * 0.51 / static_cast<double>(kLargest);
  const double rounding = (length / kLanes + 64) * 0x1p-24;
  // Squares of less than 2^-126 are lost.
  const double bound = (error + norm * (input + rounding)) * 1.0001 + std::sqrt(length) * 0x1p-62;
  return bound < static_cast<double>(std::numeric_limits<float>::max()) ? static_cast<float>(bound)
                                                                        : std::numeric_limits<float>::infinity();
}

float split_input(const float* x, std::int64_t n, std::int8_t* planes, std::int32_t* lane_sums) {
  float most = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
  std::fill_n(planes, nibble_blocks(n) * 4 * kNibbleBlockBytes, std::int8_t{0});
  std::fill_n(lane_sums, kLanes, 0);
  const float inverse = kLargest / most;
  if (!std::isfinite(inverse)) return 0.0F;
  for_vectors(x, n, [&](const float* v, std::int64_t i) {
    std::int8_t* high = planes + i / 64 * 2 * kNibbleBlockBytes + i / kLanes % 4;
    for (int l = 0; l < kLanes; ++l) {
      const float at = std::clamp(v[l] * inverse, -kLargest, kLargest);
      const auto q = static_cast<std::int32_t>((at + kRound) - kRound);
      const std::int32_t upper = (q + 128) >> 8;
      high[4 * l] = static_cast<std::int8_t>(upper);
      high[4 * l + kNibbleBlockBytes] = static_cast<std::int8_t>(q - 256 * upper);
      lane_sums[l] += q;
    }
  });
  return most / kLargest;
}

}  // namespace bitnet::pack
