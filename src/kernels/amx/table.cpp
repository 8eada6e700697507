#include "kernels/avx512_vnni/lanes.h"
#include "kernels/avx512_vnni/nibble_dot.h"
#include "kernels/avx512_vnni/ternary_dot.h"
#include "kernels/avx512_vnni/ternary_quads.h"
// After the four above, which it is made of.
#include "kernels/amx/ternary_gemm.h"
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {
namespace {

constexpr KernelTable make_amx_table() {
  KernelTable table =
      make_table(kTileTable, kAvx2 | kFma | kF16c | kAvx512 | kAvx512Vnni | kAvx512Vbmi | kTileFeatures);
  table.coding = Base3::kCoding;
  table.ternary_gemm = tile_ternary_gemm;
  table.ternary_columns = ternary_columns<Base3Lines>;
  return table;
}

}  // namespace

constinit const KernelTable kAmxTable = make_amx_table();

}  // namespace bitnet::kernels
