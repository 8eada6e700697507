#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bitnet/session.h"
#include "engine/engine_state.h"

namespace bitnet {

/// Session::activations().
[[nodiscard]] std::vector<NamedArray> record_activations(EngineState& state, std::span<const std::int32_t> ids,
                                                         const WantsArray& wanted);

}  // namespace bitnet
