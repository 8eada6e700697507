#include "text/pre_tokenizer.h"

#include <functional>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/character_classes.h"
#include "text/metaspace.h"
#include "text/pattern.h"

namespace bitnet::text {
namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

using FindAll = std::function<std::vector<ByteRange>(std::string_view)>;

/// Cuts every piece that is not a token at what `find_all` finds.
void split_pieces(PieceList& list, const FindAll& find_all, SplitBehavior behavior, bool invert) {
  const std::vector<Piece> old = std::exchange(list.pieces, {});
  for (const Piece& piece : old) {
    if (piece.token >= 0) {
      list.pieces.push_back(piece);
      continue;
    }
    const std::string_view view = list.view(piece);
    for (const ByteRange& part : split_ranges(find_all(view), view.size(), behavior, invert)) {
      list.add(piece.begin + part.begin, piece.begin + part.end);
    }
  }
}

/// Writes the text anew, piece by piece: `append_piece` appends what a piece that is no token becomes.
template <typename AppendPiece>
void rewrite_pieces(PieceList& list, AppendPiece append_piece) {
  AlignedText text;
  text.bytes.reserve(list.text.size() + list.text.size() / 4);
  text.align.reserve(text.bytes.capacity());
  for (Piece& piece : list.pieces) {
    const std::size_t begin = text.size();
    if (piece.token >= 0) {
      text.append(list.text, piece.begin, piece.end);
    } else {
      append_piece(text, piece);
    }
    piece.begin = static_cast<std::uint32_t>(begin);
    piece.end = static_cast<std::uint32_t>(text.size());
  }
  list.text = std::move(text);
}

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(const Field& field) : add_prefix_space_(field["add_prefix_space"].boolean()) {
    if (field["use_regex"].boolean_or(true)) regex_.emplace(kGpt2Pattern, field.path());
  }

  void apply(PieceList& list) const override {
    if (add_prefix_space_) {
      rewrite_pieces(list, [&](AlignedText& text, const Piece& piece) {
        text.append_prefixed(list.view(piece)[0] == ' ' ? "" : " ", list.text, piece.begin, piece.end);
      });
    }
    if (regex_) {
      split_pieces(
          list,
          [&](std::string_view view) {
            std::vector<ByteRange> matches;
            regex_->find_all(view, matches);
            return matches;
          },
          SplitBehavior::isolated, false);
    }
    rewrite_pieces(list, [&](AlignedText& text, const Piece& piece) {
      for (std::size_t i = piece.begin; i < piece.end; ++i) {
        text.append(byte_level_char(static_cast<unsigned char>(list.text.bytes[i])), list.text.align[i]);
      }
    });
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(const Field& field) : settings_(read_metaspace(field)), split_(field["split"].boolean_or(true)) {
    append_code_point(mark_, settings_.replacement);
  }

  void apply(PieceList& list) const override {
    rewrite_pieces(list, [&](AlignedText& text, const Piece& piece) {
      const std::string_view view = list.view(piece);
      const bool prefixed = view[0] == ' ' || view.starts_with(mark_);
      if (!prefixed && (settings_.scheme == PrependScheme::always ||
                        (settings_.scheme == PrependScheme::first && piece.origin == 0))) {
        text.append(mark_, list.text.align[piece.begin]);
      }
      for (std::size_t i = piece.begin; i < piece.end; ++i) {
        const char byte = list.text.bytes[i];
        text.append(byte == ' ' ? std::string_view(mark_) : std::string_view(&byte, 1), list.text.align[i]);
      }
    });
    if (!split_) return;
    split_pieces(
        list,
        [&](std::string_view view) {
          std::vector<ByteRange> marks;
          for (std::size_t at = 0; (at = view.find(mark_, at)) != std::string_view::npos; at += mark_.size()) {
            marks.push_back({at, at + mark_.size()});
          }
          return marks;
        },
        SplitBehavior::merged_with_next, false);
  }

 private:
  MetaspaceSettings settings_;
  bool split_;
  std::string mark_;
};

/// Split, Digits, Punctuation, Whitespace, WhitespaceSplit: a thing to find and what to do with it.
class Split final : public PreTokenizer {
 public:
  Split(FindAll find_all, SplitBehavior behavior, bool invert)
      : find_all_(std::move(find_all)), behavior_(behavior), invert_(invert) {}

  void apply(PieceList& list) const override { split_pieces(list, find_all_, behavior_, invert_); }

 private:
  FindAll find_all_;
  SplitBehavior behavior_;
  bool invert_;
};

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(const Field& field) {
    for (const Field& element : field["pretokenizers"].elements()) steps_.push_back(make_pre_tokenizer(element));
  }
  void apply(PieceList& list) const override {
    for (const auto& step : steps_) step->apply(list);
  }

 private:
  std::vector<std::unique_ptr<const PreTokenizer>> steps_;
};

SplitBehavior read_behavior(const Field& field) {
  const std::string_view name = field.string();
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail(ErrorKind::corrupt,
       "{}: \"{}\" found, expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", field.path(),
       name);
}

FindAll characters(bool (*wanted)(char32_t) noexcept) {
  return [wanted](std::string_view text) { return find_characters(text, wanted); };
}

}  // namespace

std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const Field& field) {
  if (field.absent()) return nullptr;
  const std::string_view type = field["type"].string();
  if (type == "Sequence") return std::make_unique<PreTokenizerSequence>(field);
  if (type == "ByteLevel") return std::make_unique<ByteLevelPreTokenizer>(field);
  if (type == "Metaspace") return std::make_unique<Metaspace>(field);
  if (type == "Split") {
    return std::make_unique<Split>(
        [pattern = Pattern(field["pattern"])](std::string_view text) { return pattern.find_all(text); },
        read_behavior(field["behavior"]), field["invert"].boolean());
  }
  if (type == "Digits") {
    return std::make_unique<Split>(
        characters(is_numeric),
        field["individual_digits"].boolean() ? SplitBehavior::isolated : SplitBehavior::contiguous, false);
  }
  if (type == "Punctuation") {
    const Field behavior = field["behavior"];
    return std::make_unique<Split>(characters(is_punctuation),
                                   behavior.absent() ? SplitBehavior::isolated : read_behavior(behavior), false);
  }
  if (type == "WhitespaceSplit") {
    return std::make_unique<Split>(characters(is_whitespace), SplitBehavior::removed, false);
  }
  if (type == "Whitespace") {
    return std::make_unique<Split>(
        [regex = Regex(R"(\w+|[^\w\s]+)", field.path())](std::string_view text) {
          std::vector<ByteRange> matches;
          regex.find_all(text, matches);
          return matches;
        },
        SplitBehavior::removed, true);
  }
  fail(ErrorKind::unsupported,
       "{}: the pre-tokenizer \"{}\" is not supported; supported are Sequence, ByteLevel, Split, Metaspace, Digits, "
       "Punctuation, Whitespace and WhitespaceSplit",
       field.path(), type);
}

}  // namespace bitnet::text
