#include "bitnet/version.h"

namespace bitnet {

const char* version() noexcept { return BITNET_VERSION; }

}  // namespace bitnet
