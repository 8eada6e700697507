#include "kernels/avx2/lanes.h"
#include "kernels/avx2/nibble_dot.h"
#include "kernels/avx2/ternary_dot.h"
// After the three above, which it is made of.
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

constinit const KernelTable kAvx2Table = make_table("avx2", kAvx2 | kFma | kF16c);

}  // namespace bitnet::kernels
