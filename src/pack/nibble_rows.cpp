#include "pack/nibble_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bitnet::pack {
namespace {

constexpr int kLanes = kNibbleScales;
constexpr float kLargest = 127.0F;
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

/// The next float but one above: what doubles have rounded is covered too.
float round_up(double v) { return static_cast<float>(v) * (1 + 0x1p-22F); }

}  // namespace

NibbleBound nibble_bound(const NibbleSums& sums, std::int64_t n) {
  // Squares of less than 2^-126 are lost; the factors cover the sums that were given.
  const auto length = static_cast<double>(n);
  const double lost = std::sqrt(length) * 0x1p-62;
  const double error = std::sqrt(static_cast<double>(sums.errors)) * 1.0001 + lost;
  const double norm = (std::sqrt(static_cast<double>(sums.squares)) + error) * 1.0001 + lost;
  // The sums of the head round once for each sixteenth element and in the fold (|w| · |x| bounds their size,
  // Cauchy-Schwarz); the copy's twice for each lane, in the fold, and where the bound itself is computed. The copy's
  // input is no longer than |x| + its error, which is below |x| · (1 + √n / 127).
  const double rounding = norm * (length / kLanes + 64 + std::sqrt(length)) * 0x1p-24;
  const double bound = error + rounding;
  const auto largest = static_cast<double>(std::numeric_limits<float>::max());
  if (!(bound < largest && norm < largest)) return {std::numeric_limits<float>::infinity(), 0.0F};
  return {round_up(bound), round_up(norm)};
}

NibbleInput quantize_nibble_input(const float* x, std::int64_t n, std::int8_t* q, std::int32_t* lane_offsets,
                                  float* scales) {
  std::fill_n(q, nibble_blocks(n) * kNibbleBlockWeights, std::int8_t{0});
  std::fill_n(lane_offsets, kLanes, 0);
  float most[kLanes] = {};
  for_vectors(x, n, [&](const float* v, std::int64_t) {
    for (int l = 0; l < kLanes; ++l) most[l] = std::max(most[l], std::fabs(v[l]));
  });
  const float largest = *std::max_element(most, most + kLanes);
  if (largest < 0x1p-60F) return {0.0F, 0.0F};
  float inverse[kLanes];
  for (int l = 0; l < kLanes; ++l) {
    // A lane that is almost zero beside the others is left out: what it adds to the error is next to nothing.
    const bool used = most[l] > largest * 0x1p-40F;
    inverse[l] = used ? kLargest / most[l] : 0.0F;
    scales[l] = used ? most[l] / kLargest : 0.0F;
  }
  double squares = 0.0;
  double errors = 0.0;
  for_vectors(x, n, [&](const float* v, std::int64_t i) {
    std::int8_t* to = q + i / 64 * 64 + i / kLanes % 4;
    for (int l = 0; l < kLanes; ++l) {
      const float rounded = (std::clamp(v[l] * inverse[l], -kLargest, kLargest) + kRound) - kRound;
      to[4 * l] = static_cast<std::int8_t>(rounded);
      lane_offsets[l] += 15 * static_cast<std::int32_t>(rounded);
      const double value = static_cast<double>(v[l]);
      const double error = value - static_cast<double>(rounded) * static_cast<double>(scales[l]);
      squares += value * value;
      errors += error * error;
    }
  });
  return {round_up(std::sqrt(squares)), round_up(std::sqrt(errors))};
}

}  // namespace bitnet::pack
