#pragma once

#include <span>

#include "kernels/peak_loop.h"

namespace bitnet::kernels {

/// The loops that were built for this processor family, of the best table first. The processor may lack what some
/// need.
[[nodiscard]] std::span<const PeakLoop* const> peak_loops();

}  // namespace bitnet::kernels
