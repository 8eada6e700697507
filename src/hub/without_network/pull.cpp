/// What a build without the hub (BITNET_HUB=OFF) says.

#include "base/fail.h"
#include "bitnet/hub.h"

namespace bitnet {

std::filesystem::path pull(const std::string& id, const HubOptions& /*options*/) {
  fail(
      ErrorKind::unsupported,
      "{} cannot be pulled: this build has no network (BITNET_HUB=OFF); download the model by other means and name its "
      "folder",
      id);
}

}  // namespace bitnet
