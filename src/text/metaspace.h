#pragma once
/// The settings that the Metaspace pre-tokenizer and the Metaspace decoder share.

#include "base/fail.h"
#include "text/json_field.h"

namespace bitnet::text {

enum class PrependScheme { first, always, never };

struct MetaspaceSettings {
  char32_t replacement;
  PrependScheme scheme;
};

/// `add_prefix_space: false` is the older spelling of `prepend_scheme: never`.
[[nodiscard]] inline MetaspaceSettings read_metaspace(const Field& field) {
  const Field scheme = field["prepend_scheme"];
  const std::string_view name = scheme.absent() ? "always" : scheme.string();
  MetaspaceSettings settings{field["replacement"].character(), PrependScheme::always};
  if (name == "first") {
    settings.scheme = PrependScheme::first;
  } else if (name == "never") {
    settings.scheme = PrependScheme::never;
  } else if (name != "always") {
    fail(ErrorKind::corrupt, "{}: \"{}\" found, expected first, always or never", scheme.path(), name);
  }
  if (!field["add_prefix_space"].boolean_or(true)) {
    if (!scheme.absent() && settings.scheme != PrependScheme::never) {
      fail(ErrorKind::corrupt, "{}: \"{}\" contradicts add_prefix_space false", scheme.path(), name);
    }
    settings.scheme = PrependScheme::never;
  }
  return settings;
}

}  // namespace bitnet::text
