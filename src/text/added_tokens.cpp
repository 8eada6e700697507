#include "text/added_tokens.h"

#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/character_classes.h"
#include "text/regex.h"

namespace bitnet::text {
namespace {

// Matching looks this far ahead of every byte.
constexpr std::size_t kMaxContentBytes = 4096;

// Of the text by the normalizer, all parts together: each of many parts may get a long prefix.
constexpr std::size_t kMaxGrowth = 1024;

AlignedText align_to_itself(std::string_view text) {
  AlignedText result;
  result.bytes = text;
  result.align.resize(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Span span{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + char_length(text[at]))};
    for (; at < span.end; ++at) result.align[at] = span;
  }
  return result;
}

/// Where the last character that ends at `end` begins.
std::size_t previous_char(std::string_view text, std::size_t end) {
  do {
    --end;
  } while (continues_character(text[end]));
  return end;
}

}  // namespace

void AddedTokens::Trie::add(std::string_view key, std::int32_t id) {
  std::uint64_t node = 0;
  for (const char c : key) {
    const std::uint64_t edge = node << 8 | static_cast<unsigned char>(c);
    if (const std::uint64_t* child = children_.find(edge)) {
      node = *child;
    } else {
      node = ids_.size();
      children_.set(edge, node);
      ids_.push_back(-1);
    }
  }
  ids_[node] = id;
  starts_[static_cast<unsigned char>(key[0])] = true;
}

bool AddedTokens::Trie::contains(std::string_view key) const {
  const Match match = find(key, 0);
  return match.id >= 0 && match.begin == 0 && match.end == key.size();
}

AddedTokens::Trie::Match AddedTokens::Trie::find(std::string_view text, std::size_t at) const {
  Match match;
  for (; at < text.size() && match.id < 0; ++at) {
    if (!starts_[static_cast<unsigned char>(text[at])]) continue;
    std::uint64_t node = 0;
    for (std::size_t end = at; end < text.size();) {
      const std::uint64_t* child = children_.find(node << 8 | static_cast<unsigned char>(text[end]));
      if (child == nullptr) break;
      node = *child;
      ++end;
      if (ids_[node] >= 0) match = {ids_[node], at, end};
    }
  }
  return match;
}

AddedTokens::AddedTokens(const Field& field, const Normalizer* normalizer, const Vocabulary& vocabulary) {
  if (field.absent()) return;
  for (const Field& entry : field.elements()) {
    const std::uint64_t number = entry["id"].number();
    const std::string_view content = entry["content"].string();
    if (number >= kMaxTokens) fail(ErrorKind::limit, "{}.id: {} is not below 2^24", entry.path(), number);
    if (content.size() > kMaxContentBytes) {
      fail(ErrorKind::limit, "{}.content: {} bytes; at most {} are read", entry.path(), content.size(),
           kMaxContentBytes);
    }
    if (content.empty()) continue;  // as the reference does
    const auto id = static_cast<std::int32_t>(number);
    const std::int32_t known = vocabulary.find(content);
    if (known >= 0 ? known != id : vocabulary.token(id).data() != nullptr) {
      fail(ErrorKind::corrupt, "{}: id {} of \"{}\" contradicts the model's vocabulary", entry.path(), id, content);
    }
    const auto [place, is_new] = tokens_.try_emplace(
        id, Token{std::string(content), std::string(content), entry["single_word"].boolean_or(false),
                  entry["lstrip"].boolean_or(false), entry["rstrip"].boolean_or(false)});
    Token& token = place->second;
    if (!is_new || !by_content_.emplace(token.content, id).second) {
      fail(ErrorKind::corrupt, "{}: id {} or \"{}\" stands twice", entry.path(), id, content);
    }
    if (entry["special"].boolean_or(false)) special_.insert(token.content);
    const bool normalized = entry["normalized"].boolean_or(true);
    if (normalized && normalizer != nullptr) {
      AlignedText form = align_to_itself(content);
      normalizer->apply(form);
      token.form = std::move(form.bytes);
    }
    Trie& trie = normalized ? normalized_ : raw_;
    if (token.form.empty() || trie.contains(token.form)) {
      fail(ErrorKind::corrupt, "{}: \"{}\" normalizes to nothing or to another token", entry.path(), content);
    }
    trie.add(token.form, id);
  }
}

void AddedTokens::split(const AlignedText& part, const Trie& trie, PieceList& out) const {
  const std::size_t base = out.text.size();
  out.text.append(part, 0, part.size());
  const std::string_view text = part.bytes;
  std::size_t done = 0;
  for (Trie::Match match = trie.find(text, 0); match.id >= 0; match = trie.find(text, match.end)) {
    const Token& token = tokens_.at(match.id);
    std::size_t begin = match.begin;
    std::size_t end = match.end;
    if (token.single_word && ((begin > 0 && is_word(code_point_at(text, previous_char(text, begin)))) ||
                              (end < text.size() && is_word(code_point_at(text, end))))) {
      continue;
    }
    if (token.left_strip) {
      while (begin > 0 && is_whitespace(code_point_at(text, previous_char(text, begin)))) {
        begin = previous_char(text, begin);
      }
      begin = std::min(std::max(begin, done), end);  // spaces that the last token took stay with it
    }
    if (token.right_strip) {
      while (end < text.size() && is_whitespace(code_point_at(text, end))) end += char_length(text[end]);
    }
    if (done < begin) out.add(base + done, base + begin);
    out.add(base + begin, base + end, match.id);
    done = end;
  }
  if (done < text.size()) out.add(base + done, base + text.size());
}

PieceList AddedTokens::extract(std::string_view text, const Normalizer* normalizer) const {
  PieceList raw;
  split(align_to_itself(text), raw_, raw);
  if (normalizer == nullptr && normalized_.empty()) return raw;
  PieceList result;
  for (const Piece& piece : raw.pieces) {
    AlignedText part;
    part.append(raw.text, piece.begin, piece.end);
    if (piece.token >= 0) {
      const std::size_t begin = result.text.size();
      result.text.append(part, 0, part.size());
      result.add(begin, result.text.size(), piece.token);
      continue;
    }
    if (normalizer != nullptr) normalizer->apply(part);
    split(part, normalized_, result);
    if (result.text.size() > kMaxGrowth * (text.size() + kMaxContentBytes)) {
      fail(ErrorKind::limit, "the normalizer makes more than {} bytes of {}", result.text.size() - 1, text.size());
    }
  }
  return result;
}

std::string_view AddedTokens::decoded_form(std::int32_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? std::string_view() : found->second.form;
}

std::string_view AddedTokens::content(std::int32_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? std::string_view() : found->second.content;
}

std::int32_t AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? -1 : found->second;
}

}  // namespace bitnet::text
