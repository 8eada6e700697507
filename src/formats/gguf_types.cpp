#include <algorithm>
#include <iterator>
#include <vector>

#include "base/fail.h"
#include "formats/gguf_header.h"

namespace bitnet::formats {
namespace {

constexpr GgufTypeInfo kTypes[] = {
    {GgufType::f32, "F32", 1, 4},
    {GgufType::f16, "F16", 1, 2},
    {GgufType::q4_0, "Q4_0", 32, 18},
    {GgufType::q8_0, "Q8_0", 32, 34},
    {GgufType::q6_k, "Q6_K", 256, 210},
    {GgufType::bf16, "BF16", 1, 2},
    {GgufType::tq1_0, "TQ1_0", 256, 54},
    {GgufType::tq2_0, "TQ2_0", 256, 66},
    {GgufType::i2_s, "I2_S", 128, 32},
    {GgufType::q2_0, "Q2_0", 64, 18},
    {GgufType::q2_0_128, "Q2_0 with 128 weights a scale", 128, 34},
};
constexpr std::size_t kI2sTail = 32;

const GgufTypeInfo& info_of(GgufType type) {
  return *std::find_if(std::begin(kTypes), std::end(kTypes), [&](const auto& info) { return info.type == type; });
}

}  // namespace

std::string_view name_of(GgufType type) { return info_of(type).name; }

std::int64_t gguf_block(GgufType type) { return info_of(type).block; }

std::size_t gguf_bytes(GgufType type, std::int64_t rows, std::int64_t cols) {
  const GgufTypeInfo& info = info_of(type);
  // Rows of whole blocks, or (i2_s) a whole that is: the same product.
  const auto blocks = static_cast<std::size_t>(rows * cols / info.block);
  return blocks * static_cast<std::size_t>(info.block_bytes) + (type == GgufType::i2_s ? kI2sTail : 0);
}

const GgufTypeInfo* find_gguf_type(std::uint32_t number) {
  const auto* const at = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const GgufTypeInfo& info) {
    return info.type != GgufType::q2_0_128 && static_cast<std::uint32_t>(info.type) == number;
  });
  return at == std::end(kTypes) ? nullptr : at;
}

std::string supported_gguf_types() {
  std::vector<std::string> names;
  for (const GgufTypeInfo& info : kTypes) {
    if (info.type == GgufType::q2_0_128) continue;
    names.push_back(fmt::format("{} ({})", info.name, static_cast<std::uint32_t>(info.type)));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace bitnet::formats
