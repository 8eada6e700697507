#pragma once

#include <filesystem>
#include <string>

#include "bitnet/hub.h"
#include "hub/hub_server.h"

namespace bitnet::hub {

/// pull() of bitnet/hub.h, with other waits and sizes.
[[nodiscard]] std::filesystem::path pull_with(const std::string& id, const HubOptions& options, Plumbing plumbing);

}  // namespace bitnet::hub
