#pragma once
/// Text under normalization and pre-tokenization, whose every byte knows where in the original text it came from.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace bitnet::text {

/// Bytes [begin, end) of the original text: whole characters.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

/// What became of the characters of a text, in the order of the new text.
struct Transformed {
  char32_t c;
  /// 0: stands for the next old character; 1: newly inserted; -n: stands for the next old character and n more after
  /// it, which are gone.
  int change;
};

/// Text and, byte for byte, its alignment.
struct AlignedText {
  std::string bytes;
  std::vector<Span> align;

  [[nodiscard]] std::size_t size() const noexcept { return bytes.size(); }
  void append(std::string_view text, Span origin);
  /// Copies bytes [begin, end) of `other`.
  void append(const AlignedText& other, std::size_t begin, std::size_t end);

  /// Replaces everything. `removed` characters at the start have no successor.
  void transform(const std::vector<Transformed>& characters, std::size_t removed = 0);
  /// Puts `prefix` before bytes [begin, end) of `source` and appends both; the prefix belongs to the first character.
  void append_prefixed(std::string_view prefix, const AlignedText& source, std::size_t begin, std::size_t end);
};

/// A part of the text: a word for the model, or a token already.
struct Piece {
  std::uint32_t begin;  ///< bytes [begin, end) of the text
  std::uint32_t end;
  std::uint32_t origin;     ///< where in the original text the piece starts
  std::int32_t token = -1;  ///< id of the added token that the piece is, or -1
};

/// The text and its pieces. Pieces may leave out parts of the text; empty pieces do not exist.
struct PieceList {
  AlignedText text;
  std::vector<Piece> pieces;

  [[nodiscard]] std::string_view view(const Piece& piece) const noexcept {
    return std::string_view(text.bytes).substr(piece.begin, piece.end - piece.begin);
  }
  /// Adds bytes [begin, end) as a piece unless they are empty.
  void add(std::size_t begin, std::size_t end, std::int32_t token = -1);
};

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// Turns the matches in a text of `size` bytes into the parts to keep. `invert`: what lies between the matches counts
/// as matched.
[[nodiscard]] std::vector<ByteRange> split_ranges(const std::vector<ByteRange>& matches, std::size_t size,
                                                  SplitBehavior behavior, bool invert);

}  // namespace bitnet::text
