/// The AMX table once more, with tiles in software: tested wherever its vectors run. It is compiled with
/// instruction-set flags, so the tests themselves are elsewhere.

#define BITNET_SOFTWARE_TILES
#define kAmxTable kSoftwareAmxTable  // the one symbol

#include "kernels/amx/table.cpp"
