#pragma once

#include <cstdint>
#include <string_view>

#include "base/fail.h"
#include "base/json.h"

namespace bitnet {

/// Typed access to a foreign JSON object; errors name the source and the field.
class JsonReader {
 public:
  JsonReader(const Json& object, std::string_view source, std::string_view where)
      : object_(object), source_(source), where_(where) {}

  /// The field, or null when it is missing or null.
  [[nodiscard]] const Json* find(std::string_view key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high) const {
    const Json* value = find(key);
    if (value == nullptr) fail(ErrorKind::corrupt, "{}: {}{} is missing", source_, where_, key);
    return integer_of(*value, key, low, high);
  }
  [[nodiscard]] std::int64_t integer_or(std::string_view key, std::int64_t otherwise, std::int64_t low,
                                        std::int64_t high) const {
    const Json* value = find(key);
    return value == nullptr ? otherwise : integer_of(*value, key, low, high);
  }
  /// A finite number in [low, high].
  [[nodiscard]] double number_or(std::string_view key, double otherwise, double low, double high) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number()) bad(key, *value, "a number");
    const double number = value->get<double>();
    if (!(number >= low && number <= high)) {
      fail(ErrorKind::corrupt, "{}: {}{} is {}; expected {} to {}", source_, where_, key, number, low, high);
    }
    return number;
  }
  [[nodiscard]] bool boolean_or(std::string_view key, bool otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) bad(key, *value, "true or false");
    return value->get<bool>();
  }
  [[nodiscard]] std::string string_or(std::string_view key, std::string_view otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return std::string(otherwise);
    if (!value->is_string()) bad(key, *value, "a string");
    return value->get<std::string>();
  }
  [[noreturn]] void bad(std::string_view key, const Json& value, std::string_view expected) const {
    fail(ErrorKind::corrupt, "{}: {}{} is {}; expected {}", source_, where_, key, shorten(value), expected);
  }
  [[nodiscard]] std::string_view source() const { return source_; }

 private:
  [[nodiscard]] std::int64_t integer_of(const Json& value, std::string_view key, std::int64_t low,
                                        std::int64_t high) const {
    if (!value.is_number_integer() || value > high || value < low) {
      bad(key, value, fmt::format("an integer from {} to {}", low, high));
    }
    return value.get<std::int64_t>();
  }
  static std::string shorten(const Json& value) {
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    return text;
  }

  const Json& object_;
  std::string_view source_;
  std::string_view where_;
};

}  // namespace bitnet
