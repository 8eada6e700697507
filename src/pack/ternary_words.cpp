/// The packed forms that fill u32 words: the design's own, and that of the official GPU kernel.

#include "base/fail.h"
#include "bitnet/quantize.h"

namespace bitnet {
namespace {

constexpr std::size_t kWordWeights = 16;
constexpr std::size_t kGpuRows = 16;
constexpr std::size_t kGpuColumns = 32;
constexpr std::size_t kGpuWords = kGpuRows * kGpuColumns / kWordWeights;

bool is_ternary(std::int8_t weight) { return weight >= -1 && weight <= 1; }

void check_gpu_shape(const char* function, std::size_t length, std::size_t weights_each, std::size_t out,
                     std::size_t in) {
  if (out % kGpuRows != 0 || in % kGpuColumns != 0) {
    fail(ErrorKind::invalid_argument, "{}: the shape is {} x {}, but must be in whole blocks of 16 x 32", function, out,
         in);
  }
  const std::size_t row = in / weights_each;
  if (row != 0 ? length % row != 0 || length / row != out : length != 0) {
    fail(ErrorKind::invalid_argument, "{}: {} elements do not hold a matrix of {} x {}", function, length, out, in);
  }
}

/// Calls f(word, bit, row, column) for every weight of a matrix in the GPU layout.
template <typename F>
void for_gpu_weights(std::size_t out, std::size_t in, F f) {
  std::size_t word = 0;
  for (std::size_t row = 0; row < out; row += kGpuRows) {
    for (std::size_t column = 0; column < in; column += kGpuColumns) {
      for (std::size_t t = 0; t < kGpuWords; ++t, ++word) {
        const std::size_t r = row + t / 16 * 8 + t % 8;
        const std::size_t c = column + t / 8 % 2 * kWordWeights;
        for (std::size_t i = 0; i < kWordWeights; ++i) f(word, i % 4 * 8 + i / 4 * 2, r, c + i);
      }
    }
  }
}

}  // namespace

std::vector<std::uint32_t> pack_ternary_weights(std::span<const std::int8_t> weights) {
  if (weights.size() % kWordWeights != 0) {
    fail(ErrorKind::invalid_argument, "pack_ternary_weights: {} weights are no multiple of 16", weights.size());
  }
  std::vector<std::uint32_t> packed(weights.size() / kWordWeights);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!is_ternary(weights[i])) {
      fail(ErrorKind::invalid_argument, "pack_ternary_weights: weight {} is {}, but must be -1, 0 or 1", i, weights[i]);
    }
    packed[i / kWordWeights] |= static_cast<std::uint32_t>(weights[i] + 1) << (i % kWordWeights * 2);
  }
  return packed;
}

std::vector<std::int8_t> unpack_ternary_weights(std::span<const std::uint32_t> packed) {
  std::vector<std::int8_t> weights(packed.size() * kWordWeights);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::uint32_t code = (packed[i / kWordWeights] >> (i % kWordWeights * 2)) & 3U;
    if (code == 3) fail(ErrorKind::corrupt, "unpack_ternary_weights: weight {} has code 3, which means nothing", i);
    weights[i] = static_cast<std::int8_t>(static_cast<int>(code) - 1);
  }
  return weights;
}

std::vector<std::uint32_t> pack_ternary_weights_gpu(std::span<const std::int8_t> weights, std::size_t out,
                                                    std::size_t in) {
  check_gpu_shape("pack_ternary_weights_gpu", weights.size(), 1, out, in);
  std::vector<std::uint32_t> packed(weights.size() / kWordWeights);
  for_gpu_weights(out, in, [&](std::size_t word, std::size_t bit, std::size_t row, std::size_t column) {
    const std::int8_t weight = weights[row * in + column];
    if (!is_ternary(weight)) {
      fail(ErrorKind::invalid_argument, "pack_ternary_weights_gpu: weight ({}, {}) is {}, but must be -1, 0 or 1", row,
           column, weight);
    }
    packed[word] |= static_cast<std::uint32_t>(weight + 2) << bit;
  });
  return packed;
}

std::vector<std::int8_t> unpack_ternary_weights_gpu(std::span<const std::uint32_t> packed, std::size_t out,
                                                    std::size_t in) {
  check_gpu_shape("unpack_ternary_weights_gpu", packed.size(), kWordWeights, out, in);
  std::vector<std::int8_t> weights(packed.size() * kWordWeights);
  for_gpu_weights(out, in, [&](std::size_t word, std::size_t bit, std::size_t row, std::size_t column) {
    const std::uint32_t code = (packed[word] >> bit) & 3U;
    if (code == 0) {
      fail(ErrorKind::corrupt, "unpack_ternary_weights_gpu: weight ({}, {}) has code 0, which means nothing", row,
           column);
    }
    weights[row * in + column] = static_cast<std::int8_t>(static_cast<int>(code) - 2);
  });
  return weights;
}

}  // namespace bitnet
