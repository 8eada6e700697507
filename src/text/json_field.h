#pragma once
/// Reading tokenizer.json: values that know their path, so that a message can name the field.

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bitnet::text {

/// One value of the document, or nothing. Valid while the document's parser lives.
class Field {
 public:
  /// `path` is the name of the file for the document itself.
  Field(std::optional<simdjson::dom::element> value, std::string path) : value_(value), path_(std::move(path)) {}

  /// The member `key` of an object; a missing member, or one of null, is an absent Field. Throws Error(corrupt) when
  /// this is no object.
  [[nodiscard]] Field operator[](std::string_view key) const;
  [[nodiscard]] bool absent() const noexcept { return !value_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // Each throws Error(corrupt) naming path() when the value is absent or of another type.
  [[nodiscard]] std::string_view string() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] std::uint64_t number() const;
  [[nodiscard]] simdjson::dom::object object() const;
  [[nodiscard]] simdjson::dom::array array() const;
  /// The elements with their paths: small arrays only.
  [[nodiscard]] std::vector<Field> elements() const;
  /// The value, or `fallback` when it is absent.
  [[nodiscard]] bool boolean_or(bool fallback) const { return absent() ? fallback : boolean(); }
  /// A string of exactly one character.
  [[nodiscard]] char32_t character() const;

 private:
  template <typename T>
  T get(std::string_view what) const;

  std::optional<simdjson::dom::element> value_;
  std::string path_;
};

}  // namespace bitnet::text
