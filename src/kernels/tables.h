#pragma once
/// The one symbol of each instruction set's folder. Which of them are built depends on the processor family.

#include "kernels/kernel_table.h"

namespace bitnet::kernels {

extern const KernelTable kScalarTable;
extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512VnniTable;
extern const KernelTable kAvx512VbmiTable;
extern const KernelTable kAmxTable;
extern const KernelTable kNeonTable;

}  // namespace bitnet::kernels
