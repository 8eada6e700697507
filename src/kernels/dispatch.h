#pragma once

#include <span>
#include <string_view>

#include "kernels/kernel_table.h"

namespace bitnet::kernels {

/// The tables that were built for this processor family, best first, "scalar" last.
[[nodiscard]] std::span<const KernelTable* const> built_tables();

/// The table called `name`, or the first of built_tables() that this processor runs when `name` is empty.
/// Throws Error(invalid_argument) for an unknown or unsupported name; the message lists the choices.
[[nodiscard]] const KernelTable& choose_table(std::string_view name, CpuFeatures available);

}  // namespace bitnet::kernels
