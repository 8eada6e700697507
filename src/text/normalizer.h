#pragma once
/// Rewrites text before it is cut into words.

#include <memory>

#include "text/aligned_text.h"
#include "text/json_field.h"

namespace bitnet::text {

/// The "normalizer" field or one step of it. Immutable; safe to use from many threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(AlignedText& text) const = 0;
};

/// Null when the field is absent. Throws Error(unsupported) naming a type that this version does not do.
[[nodiscard]] std::unique_ptr<const Normalizer> make_normalizer(const Field& field);

}  // namespace bitnet::text
