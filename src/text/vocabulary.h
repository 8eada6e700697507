#pragma once
/// The model's tokens: string to id and back.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_field.h"

namespace bitnet::text {

/// Ids are below this, so that two of them fit a 64-bit key with room to spare.
inline constexpr std::uint64_t kMaxTokens = std::uint64_t{1} << 24;

/// All strings lie in one arena, ids in one open-addressed table: 128,000 tokens load in a few milliseconds.
/// Immutable once read; safe to use from many threads.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// Reads the object {"token": id, ...}. Throws Error(corrupt) for ids that are negative or given twice and for tokens
  /// given twice, Error(limit) for ids of 2^24 and more.
  explicit Vocabulary(const Field& field);

  /// -1 when there is none.
  [[nodiscard]] std::int32_t find(std::string_view token) const noexcept;
  /// Null data when there is none.
  [[nodiscard]] std::string_view token(std::int64_t id) const noexcept;
  /// Highest id + 1.
  [[nodiscard]] std::size_t id_end() const noexcept { return tokens_.size(); }

 private:
  [[nodiscard]] std::size_t slot_of(std::string_view token) const noexcept;

  std::string arena_;
  std::vector<std::string_view> tokens_;  // by id, into arena_
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = -1;
  };
  std::vector<Slot> slots_;
};

}  // namespace bitnet::text
