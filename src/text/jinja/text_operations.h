#pragma once
/// Work on texts that filters and methods share.

#include "text/jinja/machine.h"

namespace bitnet::jinja {

[[nodiscard]] Value strip_text(Machine& machine, const Value& text, const std::string* chars, bool left, bool right);
/// str.split / str.rsplit; white space when `separator` is null, all when `most` < 0.
[[nodiscard]] Value split_text(Machine& machine, std::string_view text, const std::string* separator, std::int64_t most,
                               bool from_right);
[[nodiscard]] Value replace_text(Machine& machine, std::string_view text, std::string_view from, std::string_view to,
                                 std::int64_t most);
/// -1: text to the left, 0: centred as Python does, 1: to the right.
[[nodiscard]] Value justify_text(Machine& machine, const Value& text, std::int64_t width, std::string_view fill,
                                 int align);
/// str.isupper() / str.islower().
[[nodiscard]] bool has_case(Machine& machine, std::string_view text, bool upper);
/// Position of the last `part`; npos.
[[nodiscard]] std::size_t find_text_backwards(Machine& machine, std::string_view text, std::string_view part);
/// dict.keys(), .values(), .items()
[[nodiscard]] Value dict_view(Machine& machine, const Dict& dict, ListKind kind);
/// A 2-tuple.
[[nodiscard]] Value make_pair(Machine& machine, Value first, Value second);

}  // namespace bitnet::jinja
