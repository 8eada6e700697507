#include "kernels/neon/lanes.h"
#include "kernels/neon/nibble_dot.h"
#include "kernels/neon/ternary_dot.h"
#include "kernels/neon/ternary_quads.h"
// After the four above, which it is made of.
#include "kernels/lanes16/table.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

constinit const KernelTable kNeonTable = make_table("neon", kNeon | kDotProd);

}  // namespace bitnet::kernels
