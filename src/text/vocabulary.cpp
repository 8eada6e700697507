#include "text/vocabulary.h"

#include <bit>
#include <cstring>

#include "base/fail.h"
#include "text/flat_map.h"

namespace bitnet::text {
namespace {

constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15ULL;

template <typename Word>
std::uint64_t load(const char* bytes) noexcept {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

/// Of at most 8 bytes, reading overlapping words instead of a number of bytes that the compiler does not know.
std::uint64_t load_tail(std::string_view bytes) noexcept {
  const char* data = bytes.data();
  const std::size_t size = bytes.size();
  if (size >= 4) return load<std::uint32_t>(data) << 32 | load<std::uint32_t>(data + size - 4);
  if (size >= 2) return load<std::uint16_t>(data) << 16 | load<std::uint16_t>(data + size - 2);
  return size == 1 ? load<std::uint8_t>(data) : 0;
}

std::uint32_t hash_of(std::string_view token) noexcept {
  std::uint64_t hash = token.size();
  for (; token.size() > 8; token.remove_prefix(8)) hash = mix64(hash ^ load<std::uint64_t>(token.data())) * kOdd;
  return static_cast<std::uint32_t>(mix64(hash * kOdd ^ load_tail(token)) >> 16);
}

}  // namespace

Vocabulary::Vocabulary(const Field& field) {
  const simdjson::dom::object object = field.object();
  std::size_t bytes = 0;
  std::size_t count = 0;
  std::uint64_t id_end = 0;
  for (const auto& [token, value] : object) {
    std::uint64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) {
      fail(ErrorKind::corrupt, "{}: the id of \"{}\" is not an integer from 0", field.path(), token);
    }
    if (id >= kMaxTokens) fail(ErrorKind::limit, "{}: id {} of \"{}\" is not below 2^24", field.path(), id, token);
    bytes += token.size();
    id_end = std::max(id_end, id + 1);
    ++count;
  }
  arena_.reserve(bytes);
  tokens_.resize(id_end);
  slots_.resize(std::bit_ceil(2 * count + 2));
  for (const auto& [token, value] : object) {
    const std::uint64_t id = value.get_uint64().value_unsafe();
    const std::size_t index = slot_of(token);
    if (((index - hash_of(token)) & (slots_.size() - 1)) > kMaxProbes) {
      fail(ErrorKind::limit, "{}: more than {} tokens fall on one place of the hash table", field.path(), kMaxProbes);
    }
    Slot& slot = slots_[index];
    if (slot.id >= 0) fail(ErrorKind::corrupt, "{}: \"{}\" stands twice", field.path(), token);
    if (tokens_[id].data() != nullptr) {
      fail(ErrorKind::corrupt, "{}: id {} belongs to \"{}\" and to \"{}\"", field.path(), id, tokens_[id], token);
    }
    arena_ += token;  // never reallocates: reserved
    tokens_[id] = std::string_view(arena_).substr(arena_.size() - token.size());
    slot = {hash_of(token), static_cast<std::int32_t>(id)};
  }
}

std::size_t Vocabulary::slot_of(std::string_view token) const noexcept {
  const std::uint32_t hash = hash_of(token);
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = hash & mask;
  while (slots_[i].id >= 0 && (slots_[i].hash != hash || tokens_[static_cast<std::size_t>(slots_[i].id)] != token)) {
    i = (i + 1) & mask;
  }
  return i;
}

std::int32_t Vocabulary::find(std::string_view token) const noexcept {
  return slots_.empty() ? -1 : slots_[slot_of(token)].id;
}

std::string_view Vocabulary::token(std::int64_t id) const noexcept {
  return id >= 0 && id < static_cast<std::int64_t>(tokens_.size()) ? tokens_[static_cast<std::size_t>(id)]
                                                                   : std::string_view();
}

}  // namespace bitnet::text
