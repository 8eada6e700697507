#pragma once
/// Names for the 16-bit storage types, so that load() of an instruction set can be overloaded on them.

#include <cstdint>

namespace bitnet::kernels {

struct F16 {
  std::uint16_t bits;
};
struct Bf16 {
  std::uint16_t bits;
};

}  // namespace bitnet::kernels
