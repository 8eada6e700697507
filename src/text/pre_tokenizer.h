#pragma once
/// Cuts normalized text into the words that the model merges within.

#include <memory>

#include "text/aligned_text.h"
#include "text/json_field.h"

namespace bitnet::text {

/// One step of the "pre_tokenizer" field. Immutable; safe to use from many threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Cuts, and may rewrite, the pieces that are not tokens yet.
  virtual void apply(PieceList& list) const = 0;
};

/// Null when the field is absent. Throws Error(unsupported) naming a type that this version does not do.
[[nodiscard]] std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const Field& field);

}  // namespace bitnet::text
