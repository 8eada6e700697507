#include "base/utf8.h"

namespace bitnet {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

/// How the bytes at the start of a string read: a whole character, a malformed part, or a character cut short.
struct Sequence {
  std::size_t length;
  bool valid;
  bool unfinished;
};

Sequence read_sequence(std::string_view bytes) noexcept {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0x80) return {1, true, false};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, false};
  const std::size_t length = char_length(bytes[0]);
  // The second byte has a narrower range after these: overlong forms, surrogates, beyond U+10FFFF.
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {i, false, true};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte < low || byte > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, false};
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    const Sequence sequence = read_sequence(text.substr(at, 4));
    if (!sequence.valid) break;
    at += sequence.length;
  }
  return at;
}

char32_t code_point_at(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  switch (char_length(text[at])) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3:
      return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default:
      return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

char32_t next_code_point(std::string_view text, std::size_t& position) noexcept {
  const std::size_t at = position;
  if (static_cast<unsigned char>(text[at]) < 0x80) {  // nearly all characters, in half the time
    ++position;
    return static_cast<unsigned char>(text[at]);
  }
  const Sequence sequence = read_sequence(text.substr(at, 4));
  position += sequence.valid ? sequence.length : 1;
  return sequence.valid ? code_point_at(text, at) : kReplacement;
}

std::size_t count_code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++count) (void)next_code_point(text, i);
  return count;
}

std::size_t byte_offset(std::string_view text, std::size_t index) noexcept {
  std::size_t position = 0;
  for (; index > 0 && position < text.size(); --index) (void)next_code_point(text, position);
  return position;
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) out.push_back(next_code_point(text, i));
  return out;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) append_code_point(out, next_code_point(text, i));
  return out;
}

std::size_t append_lossy(std::string& out, std::string_view bytes, bool more_may_come) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Sequence sequence = read_sequence(bytes.substr(at, 4));
    if (sequence.unfinished && more_may_come) break;
    if (sequence.valid) {
      out += bytes.substr(at, sequence.length);
    } else {
      append_code_point(out, kReplacement);
    }
    at += sequence.length;
  }
  return at;
}

void append_code_point(std::string& out, char32_t code_point) {
  char32_t c = code_point;
  if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = kReplacement;
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto put_continuation = [&](int shift) { put(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put_continuation(0);
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put_continuation(6);
    put_continuation(0);
  } else {
    put(0xF0 | c >> 18);
    put_continuation(12);
    put_continuation(6);
    put_continuation(0);
  }
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_code_point(out, c);
  return out;
}

}  // namespace bitnet
