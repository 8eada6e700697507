#pragma once
/// Byte-pair encoding: merges the symbols of a word, best rank first.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/flat_map.h"
#include "text/json_field.h"
#include "text/vocabulary.h"

namespace bitnet::text {

/// A token of a word: bytes [begin, end) of the word.
struct WordToken {
  std::int32_t id;
  std::uint32_t begin;
  std::uint32_t end;
};

/// The "model" field. Immutable; safe to use from many threads.
class Bpe {
 public:
  explicit Bpe(const Field& field);

  /// Buffers that calls reuse; one per thread.
  struct Scratch {
    struct Symbol {
      std::int32_t id;
      std::uint32_t length;  // bytes; 0: merged into its left neighbour
      std::int32_t previous;
      std::int32_t next;
    };
    struct Merge {
      std::uint64_t order;  // rank, then position: what comes first is merged first
      std::int32_t id;
    };
    std::vector<Symbol> symbols;
    std::vector<Merge> heap;
  };

  /// Appends the tokens of `word`, which is not empty. O(n log n). Throws Error(corrupt) when the word needs an unknown
  /// token that the vocabulary lacks.
  void tokenize(std::string_view word, Scratch& scratch, std::vector<WordToken>& out) const;

  [[nodiscard]] const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

 private:
  void read_merges(const Field& field);
  void split_into_symbols(std::string_view word, std::vector<Scratch::Symbol>& symbols) const;
  [[nodiscard]] bool add_byte_symbols(std::string_view text, std::vector<Scratch::Symbol>& symbols) const;
  void merge(Scratch& scratch) const;

  std::string path_;
  Vocabulary vocabulary_;
  FlatMap merges_;  // left id, right id -> rank, merged id
  std::optional<std::string> unknown_;
  std::int32_t unknown_id_ = -1;
  std::string prefix_;
  std::string suffix_;
  bool fuse_unknown_;
  bool byte_fallback_;
  bool ignore_merges_;
  std::array<std::int32_t, 256> byte_ids_{};         // of <0x00> ... <0xFF>, or -1
  std::array<std::int32_t, 0x180> character_ids_{};  // of the one-character tokens of the byte-level alphabet
};

}  // namespace bitnet::text
