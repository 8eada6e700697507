#pragma once

#include <string>

namespace bitnet::net {

/// A library that is loaded when something is pulled and not when the program starts: libcurl and its thirty libraries
/// take 25 ms of processor time, which every run would pay. It stays loaded.
class SharedLibrary {
 public:
  /// `package`: what to install, for the error. Throws Error(unsupported) when it cannot be loaded.
  SharedLibrary(const char* file, std::string package);

  /// Sets `function` to the one of that name. Throws Error(unsupported) when there is none.
  template <typename Function>
  void find(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(address(name));
  }

 private:
  [[nodiscard]] void* address(const char* name) const;

  std::string package_;
  void* handle_;
};

}  // namespace bitnet::net
