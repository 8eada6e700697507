#include "kernels/avx512_vnni/lanes.h"
#include "kernels/avx512_vnni/nibble_dot.h"
#include "kernels/avx512_vnni/ternary_dot.h"
// After the three above, which it is made of.
#include "kernels/avx512_vbmi/base3.h"
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {
namespace {

constexpr KernelTable make_vbmi_table() {
  KernelTable table = make_table("avx512_vbmi", kAvx2 | kFma | kF16c | kAvx512 | kAvx512Vnni | kAvx512Vbmi);
  table.coding = Base3::kCoding;
  table.ternary_gemm = ternary_gemm<Base3>;
  return table;
}

}  // namespace

constinit const KernelTable kAvx512VbmiTable = make_vbmi_table();

}  // namespace bitnet::kernels
