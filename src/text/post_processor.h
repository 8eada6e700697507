#pragma once
/// What happens to the tokens of a text before the caller gets them.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "text/json_field.h"

namespace bitnet::text {

/// A token with its place in the original text.
struct PlacedToken {
  std::int32_t id;
  int begin;  ///< code points [begin, end)
  int end;
  std::string_view text;  ///< as the model writes it, or the text of an added token
};

/// The "post_processor" field or one step of it. Immutable; safe to use from many threads.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  /// `sequences` hold one sequence at first; a template makes a sequence of each of its parts.
  virtual void apply(std::vector<std::vector<PlacedToken>>& sequences, bool add_special_tokens) const = 0;
};

/// Null when the field is absent. Throws Error(unsupported) naming a type that this version does not do.
[[nodiscard]] std::unique_ptr<const PostProcessor> make_post_processor(const Field& field);

}  // namespace bitnet::text
