#pragma once
/// Tokens that are found in the text itself, before the model sees it.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/aligned_text.h"
#include "text/flat_map.h"
#include "text/json_field.h"
#include "text/normalizer.h"
#include "text/vocabulary.h"

namespace bitnet::text {

/// The "added_tokens" field. Immutable; safe to use from many threads.
class AddedTokens {
 public:
  /// `normalizer` may be null. Throws Error(corrupt) for ids and contents that stand twice or contradict the
  /// vocabulary.
  AddedTokens(const Field& field, const Normalizer* normalizer, const Vocabulary& vocabulary);

  /// Finds the tokens in the text: those that are not normalized in the text as it is, the others in what the
  /// normalizer makes of the rest.
  [[nodiscard]] PieceList extract(std::string_view text, const Normalizer* normalizer) const;

  /// What decoding sees: the normalized form of a normalized token. Null data when `id` is no added token.
  [[nodiscard]] std::string_view decoded_form(std::int32_t id) const;
  /// Null data when `id` is no added token.
  [[nodiscard]] std::string_view content(std::int32_t id) const;
  /// -1 when there is none.
  [[nodiscard]] std::int32_t find(std::string_view content) const;
  [[nodiscard]] bool is_special(std::string_view token) const { return special_.contains(token); }
  /// Highest id + 1, or 0.
  [[nodiscard]] std::size_t id_end() const { return tokens_.empty() ? 0 : tokens_.rbegin()->first + std::size_t{1}; }

 private:
  struct Token {
    std::string content;
    std::string form;  // content, or what the normalizer makes of it
    bool single_word;
    bool left_strip;
    bool right_strip;
  };

  /// Longest match from the left.
  class Trie {
   public:
    void add(std::string_view key, std::int32_t id);
    /// The next match at or after `at`; id -1 when there is none.
    struct Match {
      std::int32_t id = -1;
      std::size_t begin = 0;
      std::size_t end = 0;
    };
    [[nodiscard]] Match find(std::string_view text, std::size_t at) const;
    [[nodiscard]] bool empty() const { return ids_.size() == 1; }
    [[nodiscard]] bool contains(std::string_view key) const;

   private:
    FlatMap children_;  // node, byte -> node
    std::vector<std::int32_t> ids_{-1};
    bool starts_[256] = {};
  };

  void split(const AlignedText& part, const Trie& trie, PieceList& out) const;

  std::map<std::int32_t, Token> tokens_;
  std::unordered_map<std::string_view, std::int32_t> by_content_;
  std::unordered_set<std::string_view> special_;
  Trie raw_;
  Trie normalized_;
};

}  // namespace bitnet::text
