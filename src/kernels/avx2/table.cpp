#include "kernels/avx2/lanes.h"
#include "kernels/avx2/nibble_dot.h"
#include "kernels/avx2/ternary_dot.h"
#include "kernels/avx2/ternary_quads.h"
// After the four above, which it is made of.
#include "kernels/avx2/ternary_gemm.h"
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {
namespace {

constexpr KernelTable make_avx2_table() {
  KernelTable table = make_table("avx2", kAvx2 | kFma | kF16c);
  table.ternary_gemm = unpacked_ternary_gemm;
  return table;
}

}  // namespace

constinit const KernelTable kAvx2Table = make_avx2_table();

}  // namespace bitnet::kernels
