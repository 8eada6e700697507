#pragma once
/// Reads what a page of bitnet run --html shows.

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/json.h"

namespace bitnet::testing_support {

inline Json attention_data(const std::string& page) {
  const std::string begin = "id=\"data\">";
  const std::size_t from = page.find(begin);
  if (from == std::string::npos) throw std::runtime_error("the page has no data");
  const std::size_t at = from + begin.size();
  return parse_json(page.substr(at, page.find("</script>", at) - at), "page");
}

inline std::vector<std::uint8_t> from_base64(const std::string& text) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
    count += 6;
    if (count >= 8) bytes.push_back(static_cast<std::uint8_t>(bits >> (count -= 8)));
  }
  if (text.size() % 4 != 0) throw std::runtime_error("base64 comes in groups of four");
  return bytes;
}

/// [heads, tokens, tokens], 0 above the diagonal.
inline std::vector<float> attention_probabilities(const Json& data, std::size_t layer) {
  const std::size_t tokens = data.at("tokens").size();
  const auto heads = data.at("heads").get<std::size_t>();
  const std::vector<std::uint8_t> bytes = from_base64(data.at("patterns").at(layer).get<std::string>());
  if (bytes.size() != heads * tokens * (tokens + 1) / 2) throw std::runtime_error("patterns of another size");
  std::vector<float> out(heads * tokens * tokens);
  std::size_t next = 0;
  for (std::size_t row = 0; row < heads * tokens; ++row) {
    for (std::size_t key = 0; key <= row % tokens; ++key) {
      const float root = static_cast<float>(bytes[next++]) / 255;
      out[row * tokens + key] = root * root;
    }
  }
  return out;
}

}  // namespace bitnet::testing_support
