#pragma once
/// Between the two codings of ternary_layout.h. Nothing here allocates; disjoint rows may run concurrently.

#include <cstdint>

namespace bitnet::pack {

/// two_bits: one row of `blocks` blocks, without a code 3 → base3: [row_bytes of base3].
void pack_base3(const std::uint8_t* two_bits, std::int64_t blocks, std::uint8_t* base3);

/// The way back, for any bytes: those that pack_base3 never writes, 243 to 255, give codes that mean nothing.
void unpack_base3(const std::uint8_t* base3, std::int64_t blocks, std::uint8_t* two_bits);

}  // namespace bitnet::pack
