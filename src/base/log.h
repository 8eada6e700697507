#pragma once

#include <functional>
#include <string>

namespace bitnet {

/// Where the library says what a user should know (a guess it made about a file, say). Empty: nobody listens.
/// Passed down from Engine's options; the library itself never prints.
using LogSink = std::function<void(const std::string& message)>;

inline void log_to(const LogSink& sink, const std::string& message) {
  if (sink) sink(message);
}

}  // namespace bitnet
