#include "pack/quant_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"

namespace bitnet::pack {
namespace {

constexpr float kLargestHalf = 65504.0F;

// Where the parts of a q6_k block begin: low four bits, high two bits, scales of 16 weights each, the scale of those.
constexpr int kHighBits = 128;
constexpr int kGroupScales = 192;
constexpr int kBlockScale = 208;
constexpr int kGroups = 16;
constexpr int kGroupWeights = 16;

float read_half(const std::uint8_t* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return f16_to_f32(bits);
}

/// Returns the value that is read back.
float write_half(float value, std::uint8_t* at) {
  const std::uint16_t bits = f32_to_f16(std::clamp(value, -kLargestHalf, kLargestHalf));
  std::memcpy(at, &bits, sizeof bits);
  return f16_to_f32(bits);
}

/// `value` within [low, high]; NaN becomes low.
float bounded(float value, float low, float high) { return value > low ? std::min(value, high) : low; }

// Written out, because calls of the mathematical library keep compilers from making vectors.
/// To the nearest integer, half to even; |value| < 2^22.
float round_even(float value) {
  constexpr float kRound = 12582912.0F;  // 1.5 · 2^23: a sum with it has no digits after the point
  return value + kRound - kRound;
}
/// To the nearest integer, half away from zero.
int round_away(float value) {
  const int whole = static_cast<int>(value);
  const float rest = value - static_cast<float>(whole);
  return whole + (rest >= 0.5F ? 1 : 0) - (rest <= -0.5F ? 1 : 0);
}

/// The weight that is furthest from 0; the first of several.
float extreme(const float* weights, int n) {
  float result = 0.0F;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(weights[i]) > std::fabs(result)) result = weights[i];
  }
  return result;
}

float inverse(float scale) { return scale == 0.0F ? 0.0F : 1.0F / scale; }

void dequantize_q8_0(const std::uint8_t* block, float* weights) {
  const float d = read_half(block);
  std::int8_t codes[32];
  std::memcpy(codes, block + 2, sizeof codes);
  for (int i = 0; i < 32; ++i) weights[i] = static_cast<float>(codes[i]) * d;
}

void quantize_q8_0(const float* weights, std::uint8_t* block) {
  const float d = std::fabs(extreme(weights, 32)) / 127.0F;
  const float id = inverse(d);
  write_half(d, block);
  for (int i = 0; i < 32; ++i) {
    block[2 + i] = static_cast<std::uint8_t>(round_away(bounded(weights[i] * id, -127.0F, 127.0F)));
  }
}

/// Byte i: weight i in the lower bits, 16 + i in the upper ones.
void dequantize_q4_0(const std::uint8_t* block, float* weights) {
  const float d = read_half(block);
  std::uint8_t codes[16];
  std::memcpy(codes, block + 2, sizeof codes);
  for (int i = 0; i < 16; ++i) {
    weights[i] = static_cast<float>((codes[i] & 15) - 8) * d;
    weights[16 + i] = static_cast<float>((codes[i] >> 4) - 8) * d;
  }
}

void quantize_q4_0(const float* weights, std::uint8_t* block) {
  const float d = extreme(weights, 32) / -8.0F;
  const float id = inverse(d);
  write_half(d, block);
  const auto code = [&](int i) { return static_cast<int>(bounded(weights[i] * id + 8.5F, 0.0F, 15.0F)); };
  for (int i = 0; i < 16; ++i) block[2 + i] = static_cast<std::uint8_t>(code(i) | code(16 + i) << 4);
}

/// Each half of a block has 64 bytes of low bits and 32 of high bits for four planes of 32 weights.
void dequantize_q6_k(const std::uint8_t* block, float* weights) {
  std::uint8_t bytes[210];
  std::memcpy(bytes, block, sizeof bytes);
  const float d = read_half(bytes + kBlockScale);
  for (int plane = 0; plane < 8; ++plane) {
    const std::uint8_t* low = bytes + plane / 4 * 64 + plane % 2 * 32;
    const std::uint8_t* high = bytes + kHighBits + plane / 4 * 32;
    const int low_shift = plane % 4 / 2 * 4;
    const int high_shift = plane % 4 * 2;
    float out[32];
    for (int i = 0; i < 32; ++i) {
      const int code = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
      out[i] = static_cast<float>(code - 32);
    }
    for (int half = 0; half < 2; ++half) {
      const float scale = d * static_cast<float>(static_cast<std::int8_t>(bytes[kGroupScales + plane * 2 + half]));
      for (int i = half * 16; i < half * 16 + 16; ++i) weights[plane * 32 + i] = scale * out[i];
    }
  }
}

/// The scale that leaves the least error in 16 weights with codes -32 to 31, of a few around the one that makes the
/// extreme weight -32. Given codes q, the best scale is Σwq / Σq², and takes (Σwq)² / Σq² from the error.
float best_scale(const float* weights) {
  constexpr int kTries = 5;  // on each side
  const float most = extreme(weights, kGroupWeights);
  if (most == 0.0F) return 0.0F;
  double best_gain = 0.0;
  double best = 0.0;
  for (int t = -kTries; t <= kTries; ++t) {
    const float to_code = (-32.0F + 0.3F * static_cast<float>(t)) / most;
    float codes[kGroupWeights];
    for (int i = 0; i < kGroupWeights; ++i) codes[i] = round_even(bounded(weights[i] * to_code, -32.0F, 31.0F));
    double wqs[4] = {};
    double qqs[4] = {};
    for (int i = 0; i < kGroupWeights; ++i) {
      const double q = codes[i];
      wqs[i % 4] += static_cast<double>(weights[i]) * q;
      qqs[i % 4] += q * q;
    }
    const double wq = wqs[0] + wqs[1] + wqs[2] + wqs[3];
    const double qq = qqs[0] + qqs[1] + qqs[2] + qqs[3];
    if (qq > 0.0 && wq * wq > best_gain * qq) {
      best_gain = wq * wq / qq;
      best = wq / qq;
    }
  }
  return static_cast<float>(best);
}

void quantize_q6_k(const float* weights, std::uint8_t* block) {
  float scales[kGroups];
  for (int g = 0; g < kGroups; ++g) scales[g] = best_scale(weights + g * kGroupWeights);
  const float d = write_half(extreme(scales, kGroups) / -128.0F, block + kBlockScale);
  const float id = inverse(d);
  int codes[kGroups * kGroupWeights];
  for (int g = 0; g < kGroups; ++g) {
    const float code = round_even(bounded(scales[g] * id, -128.0F, 127.0F));
    block[kGroupScales + g] = static_cast<std::uint8_t>(static_cast<std::int8_t>(code));
    const float to_code = inverse(d * code);
    for (int i = g * kGroupWeights; i < (g + 1) * kGroupWeights; ++i) {
      codes[i] = static_cast<int>(round_even(bounded(weights[i] * to_code, -32.0F, 31.0F))) + 32;
    }
  }
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 32; ++i) {
      const int* c = codes + half * 128 + i;
      block[half * 64 + i] = static_cast<std::uint8_t>((c[0] & 15) | (c[64] & 15) << 4);
      block[half * 64 + 32 + i] = static_cast<std::uint8_t>((c[32] & 15) | (c[96] & 15) << 4);
      block[kHighBits + half * 32 + i] =
          static_cast<std::uint8_t>(c[0] >> 4 | (c[32] >> 4) << 2 | (c[64] >> 4) << 4 | (c[96] >> 4) << 6);
    }
  }
}

struct QuantCodec {
  void (*dequantize)(const std::uint8_t* block, float* weights);
  void (*quantize)(const float* weights, std::uint8_t* block);
};

// In the order of QuantBlocks.
constexpr QuantCodec kQuantCodecs[] = {
    {dequantize_q8_0, quantize_q8_0}, {dequantize_q4_0, quantize_q4_0}, {dequantize_q6_k, quantize_q6_k}};

}  // namespace

void dequantize_row(QuantBlocks form, const std::uint8_t* row, std::int64_t n, float* weights) {
  const QuantBlockShape shape = shape_of(form);
  const auto dequantize = kQuantCodecs[static_cast<int>(form)].dequantize;
  for (std::int64_t i = 0; i < n; i += shape.weights, row += shape.bytes) dequantize(row, weights + i);
}

void quantize_row(QuantBlocks form, const float* weights, std::int64_t n, std::uint8_t* row) {
  const QuantBlockShape shape = shape_of(form);
  const auto quantize = kQuantCodecs[static_cast<int>(form)].quantize;
  for (std::int64_t i = 0; i < n; i += shape.weights, row += shape.bytes) quantize(weights + i, row);
}

}  // namespace bitnet::pack
