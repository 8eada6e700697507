#pragma once
/// The one error type of the library. Thrown for everything that input, files or settings can cause; what only a
/// bug can cause is an assertion. The library never prints, exits or aborts.

#include <stdexcept>
#include <string>

namespace bitnet {

enum class ErrorKind {
  invalid_argument,  ///< a setting or an argument is out of its range, or contradicts another one
  not_found,         ///< a file, folder, tensor or name does not exist
  io,                ///< the operating system refused to read or write
  corrupt,           ///< bytes break the rules of their format
  unsupported,       ///< well formed, but something that this version does not do
  limit,             ///< a bound on memory, steps or length was reached
  cancelled,         ///< the caller asked to stop
};

/// `what()` is one sentence for the person who has to act: what was read, where, what was found, what was expected
/// and what to do. Copying and reading are as thread-safe as for std::runtime_error.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

}  // namespace bitnet
