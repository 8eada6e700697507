#include "text/byte_level.h"

#include <array>

namespace bitnet::text {
namespace {

struct Tables {
  std::array<std::array<char, 2>, 256> utf8{};
  std::array<unsigned char, 256> length{};
  std::array<short, 0x144> byte_of{};  // the highest character is U+0143
};

constexpr Tables make_tables() {
  Tables tables;
  tables.byte_of.fill(-1);
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const unsigned c = printable ? byte : next++;
    tables.byte_of[c] = static_cast<short>(byte);
    if (c < 0x80) {
      tables.utf8[byte] = {static_cast<char>(c), 0};
      tables.length[byte] = 1;
    } else {
      tables.utf8[byte] = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
      tables.length[byte] = 2;
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::string_view byte_level_char(unsigned char byte) noexcept {
  return {kTables.utf8[byte].data(), kTables.length[byte]};
}

int byte_level_byte(char32_t c) noexcept { return c < kTables.byte_of.size() ? kTables.byte_of[c] : -1; }

}  // namespace bitnet::text
