#include "kernels/avx512_vnni/lanes.h"
#include "kernels/avx512_vnni/nibble_dot.h"
#include "kernels/avx512_vnni/ternary_dot.h"
#include "kernels/avx512_vnni/ternary_quads.h"
// After the four above, which they are made of.
#include "kernels/avx512_vnni/unpacked_gemm.h"
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {
namespace {

constexpr KernelTable make_vnni_table() {
  KernelTable table = make_table("avx512_vnni", kAvx2 | kFma | kF16c | kAvx512 | kAvx512Vnni);
  table.ternary_gemm = unpacked_gemm<UnpackTwoBits>;
  return table;
}

}  // namespace

constinit const KernelTable kAvx512VnniTable = make_vnni_table();

}  // namespace bitnet::kernels
