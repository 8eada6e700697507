#include "kernels/avx512_vnni/lanes.h"
#include "kernels/avx512_vnni/nibble_dot.h"
#include "kernels/avx512_vnni/ternary_dot.h"
#include "kernels/avx512_vnni/ternary_quads.h"
// After the four above, which they are made of.
#include "kernels/avx512_vbmi/base3.h"
#include "kernels/avx512_vnni/unpacked_gemm.h"
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {
namespace {

struct UnpackBase3 {
  using Codes = Base3;
  /// `blocks` blocks of a row from `begin` on, which begins a group.
  static void row(const std::uint8_t* packed, std::int64_t begin, std::int64_t blocks, std::uint8_t* codes) {
    packed += begin / pack::kBase3Blocks * (pack::kBase3Blocks - 1) * pack::kBlockBytes;
    for (; blocks >= pack::kBase3Blocks; blocks -= pack::kBase3Blocks, codes += pack::kBlockWeights) {
      std::uint8_t* fifth = codes + (pack::kBase3Blocks - 1) * pack::kBlockWeights;
      for (int k = 0; k < pack::kBase3Blocks - 1; ++k, packed += pack::kBlockBytes, codes += pack::kBlockWeights) {
        const __m512i bytes = load_ahead(packed);
        const __m512i four = four_of(bytes);
        unpack_two_bits(two_bits_of(four), codes);
        _mm512_store_si512(fifth + k * pack::kSliceWeights, fifth_of(bytes, four));
      }
    }
    for (; blocks > 0; --blocks, packed += pack::kBlockBytes, codes += pack::kBlockWeights) {
      unpack_two_bits(load_ahead(packed), codes);
    }
  }
};

constexpr KernelTable make_vbmi_table() {
  KernelTable table = make_table("avx512_vbmi", kAvx2 | kFma | kF16c | kAvx512 | kAvx512Vnni | kAvx512Vbmi);
  table.coding = Base3::kCoding;
  table.ternary_gemm = unpacked_gemm<UnpackBase3>;
  table.ternary_columns = ternary_columns<Base3Lines>;
  return table;
}

}  // namespace

constinit const KernelTable kAvx512VbmiTable = make_vbmi_table();

}  // namespace bitnet::kernels
