#pragma once
/// fail(kind, "format {}", args...): throws bitnet::Error with a formatted message.

#include <fmt/format.h>

#include <utility>

#include "bitnet/error.h"

namespace bitnet {

template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace bitnet
