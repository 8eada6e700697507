#include "text/json_field.h"

#include "base/fail.h"
#include "base/utf8.h"

namespace bitnet::text {

template <typename T>
T Field::get(std::string_view what) const {
  if (absent()) fail(ErrorKind::corrupt, "{}: missing; expected {}", path_, what);
  T value;
  if (value_->get(value) != simdjson::SUCCESS) fail(ErrorKind::corrupt, "{}: expected {}", path_, what);
  return value;
}

std::string_view Field::string() const { return get<std::string_view>("a string"); }
bool Field::boolean() const { return get<bool>("true or false"); }
std::uint64_t Field::number() const { return get<std::uint64_t>("an integer that is not negative"); }
simdjson::dom::object Field::object() const { return get<simdjson::dom::object>("an object"); }
simdjson::dom::array Field::array() const { return get<simdjson::dom::array>("an array"); }

Field Field::operator[](std::string_view key) const {
  simdjson::dom::element value;
  const bool found = object().at_key(key).get(value) == simdjson::SUCCESS && !value.is_null();
  return {found ? std::optional(value) : std::nullopt, path_ + (path_.ends_with(": ") ? "" : ".") + std::string(key)};
}

std::vector<Field> Field::elements() const {
  std::vector<Field> result;
  for (const simdjson::dom::element value : array()) {
    result.emplace_back(value, path_ + "[" + std::to_string(result.size()) + "]");
  }
  return result;
}

char32_t Field::character() const {
  const std::string_view text = string();
  if (text.empty() || char_length(text[0]) != text.size()) {
    fail(ErrorKind::corrupt, "{}: \"{}\" found, expected exactly one character", path_, text);
  }
  return code_point_at(text, 0);
}

}  // namespace bitnet::text
