#include "base/quote_name.h"

#include "base/utf8.h"

namespace bitnet {

std::string quote_name(std::string_view name) {
  constexpr std::size_t kMaxBytes = 128;
  std::size_t length = name.size();
  if (length > kMaxBytes) {
    length = kMaxBytes;
    while (length > 0 && continues_character(name[length])) --length;
  }
  std::string text = "\"";
  for (const char c : name.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
  return text + (length < name.size() ? "…\"" : "\"");
}

}  // namespace bitnet
