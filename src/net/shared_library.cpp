#include "net/shared_library.h"

#include <dlfcn.h>

#include <utility>

#include "base/fail.h"

namespace bitnet::net {
namespace {

[[noreturn]] void fail_load(const std::string& package) {
  const char* why = dlerror();
  fail(ErrorKind::unsupported, "models cannot be pulled without {}, which cannot be loaded: {}", package,
       why == nullptr ? "unknown reason" : why);
}

}  // namespace

SharedLibrary::SharedLibrary(const char* file, std::string package)
    : package_(std::move(package)), handle_(dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) fail_load(package_);
}

void* SharedLibrary::address(const char* name) const {
  void* const found = dlsym(handle_, name);
  if (found == nullptr) fail_load(package_);
  return found;
}

}  // namespace bitnet::net
