#pragma once

#include <string>
#include <string_view>

namespace bitnet::hub {

/// ORG/NAME and a branch, tag or commit of it. Every part is safe in a path and, percent-encoded, in a URL.
struct ModelId {
  std::string name;      ///< "ORG/NAME"
  std::string revision;  ///< "main" when none was given

  /// Throws Error(invalid_argument) for anything but ORG/NAME or ORG/NAME@REVISION.
  static ModelId parse(std::string_view text);

  /// "models--ORG--NAME": the folder in the cache.
  [[nodiscard]] std::string folder() const;
};

/// "0123…" of forty lower-case hexadecimal digits.
[[nodiscard]] bool is_commit(std::string_view text);

/// Whether a name from outside stays below the folder that it is put into, whatever it is put into: components
/// separated by '/', each of 1 to 255 bytes and neither "." nor "..", no backslash, no control character, at most
/// 1024 bytes and 16 components.
[[nodiscard]] bool is_safe_file_name(std::string_view name);

}  // namespace bitnet::hub
