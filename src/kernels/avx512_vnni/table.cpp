#include "kernels/avx512_vnni/lanes.h"
#include "kernels/avx512_vnni/nibble_dot.h"
#include "kernels/avx512_vnni/ternary_dot.h"
// After the three above, which it is made of.
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

constinit const KernelTable kAvx512VnniTable = make_table("avx512_vnni", kAvx2 | kFma | kF16c | kAvx512 | kAvx512Vnni);

}  // namespace bitnet::kernels
