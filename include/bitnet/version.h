#pragma once

namespace bitnet {

/// Version of the library as "major.minor.patch". The pointer stays valid for the life of the program.
[[nodiscard]] const char* version() noexcept;

}  // namespace bitnet
