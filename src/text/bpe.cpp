#include "text/bpe.h"

#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"

namespace bitnet::text {
namespace {

std::string string_or_empty(const Field& field) { return field.absent() ? std::string() : std::string(field.string()); }

constexpr std::uint64_t pair_key(std::int32_t left, std::int32_t right) noexcept {
  return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

Bpe::Bpe(const Field& field)
    : path_(field.path()),
      vocabulary_(field["vocab"]),
      prefix_(string_or_empty(field["continuing_subword_prefix"])),
      suffix_(string_or_empty(field["end_of_word_suffix"])),
      fuse_unknown_(field["fuse_unk"].boolean_or(false)),
      byte_fallback_(field["byte_fallback"].boolean_or(false)),
      ignore_merges_(field["ignore_merges"].boolean_or(false)) {
  // Files of the first versions leave out the type.
  const Field type = field["type"];
  if (!type.absent() && type.string() != "BPE") {
    fail(ErrorKind::unsupported, "{}: the model \"{}\" is not supported; supported is BPE", field.path(),
         type.string());
  }
  if (!field["dropout"].absent()) {
    fail(ErrorKind::unsupported, "{}: dropout makes tokens random and is not supported; expected null", field.path());
  }
  const Field unknown = field["unk_token"];
  if (!unknown.absent()) {
    unknown_ = unknown.string();
    unknown_id_ = vocabulary_.find(*unknown_);
  }
  for (unsigned byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = vocabulary_.find(fmt::format("<0x{:02X}>", byte));
  }
  for (char32_t c = 0; c < character_ids_.size(); ++c) {
    std::string encoded;
    append_code_point(encoded, c);
    character_ids_[c] = vocabulary_.find(encoded);
  }
  read_merges(field["merges"]);
}

void Bpe::read_merges(const Field& field) {
  const simdjson::dom::array merges = field.array();
  // size() saturates at 0xFFFFFF.
  if (merges.size() >= kMaxTokens - 1) fail(ErrorKind::limit, "{}: 2^24 merges or more", field.path());
  merges_ = FlatMap(merges.size());
  std::string merged;
  std::uint64_t rank = 0;
  for (const simdjson::dom::element element : merges) {
    std::string_view left;
    std::string_view right;
    simdjson::dom::array pair;
    if (element.get(left) == simdjson::SUCCESS) {
      if (left.starts_with("#version")) continue;
      const std::size_t space = left.find(' ');
      if (space == std::string_view::npos || left.find(' ', space + 1) != std::string_view::npos) {
        fail(ErrorKind::corrupt, "{}[{}]: \"{}\" found, expected two tokens and one space", field.path(), rank, left);
      }
      right = left.substr(space + 1);
      left = left.substr(0, space);
    } else if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
               pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS) {
      fail(ErrorKind::corrupt, "{}[{}]: expected a pair of tokens", field.path(), rank);
    }
    if (right.size() < prefix_.size()) {
      fail(ErrorKind::corrupt, "{}[{}]: \"{}\" is shorter than continuing_subword_prefix", field.path(), rank, right);
    }
    merged.assign(left).append(right.substr(prefix_.size()));
    const auto id_of = [&](std::string_view token) {
      const std::int32_t id = vocabulary_.find(token);
      if (id < 0) fail(ErrorKind::corrupt, "{}[{}]: \"{}\" is not in the vocabulary", field.path(), rank, token);
      return id;
    };
    const std::int32_t merged_id = id_of(merged);
    merges_.set(pair_key(id_of(left), id_of(right)), rank << 32 | static_cast<std::uint32_t>(merged_id));
    ++rank;
  }
}

bool Bpe::add_byte_symbols(std::string_view text, std::vector<Scratch::Symbol>& symbols) const {
  const auto id_of = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (!std::ranges::all_of(text, [&](char c) { return id_of(c) >= 0; })) return false;
  for (const char c : text) symbols.push_back({id_of(c), 1, 0, 0});
  return true;
}

void Bpe::split_into_symbols(std::string_view word, std::vector<Scratch::Symbol>& symbols) const {
  symbols.clear();
  std::uint32_t unknown_length = 0;  // of the unknown character or characters that are not in `symbols` yet
  const auto flush_unknown = [&] {
    if (unknown_length > 0) symbols.push_back({unknown_id_, unknown_length, 0, 0});
    unknown_length = 0;
  };
  std::string decorated;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t length = char_length(word[at]);
    std::string_view character = word.substr(at, length);
    const bool first = at == 0;
    at += length;
    const bool last = at == word.size();
    std::int32_t id = -1;
    if ((first || prefix_.empty()) && (!last || suffix_.empty())) {
      const char32_t c = code_point_at(character, 0);
      id = c < character_ids_.size() ? character_ids_[c] : vocabulary_.find(character);
    } else {
      decorated.assign(first ? std::string_view() : prefix_).append(character);
      if (last) decorated += suffix_;
      character = decorated;
      id = vocabulary_.find(character);
    }
    if (id >= 0) {
      flush_unknown();
      symbols.push_back({id, static_cast<std::uint32_t>(length), 0, 0});
      continue;
    }
    // The reference leaves an unknown character pending while bytes go in before it; so the order is kept as it is.
    if (byte_fallback_ && add_byte_symbols(character, symbols)) continue;
    if (!unknown_) continue;  // without an unknown token such characters vanish
    if (unknown_id_ < 0) {
      fail(ErrorKind::corrupt, "{}: the text needs unk_token \"{}\", which is not in the vocabulary", path_, *unknown_);
    }
    if (!fuse_unknown_) flush_unknown();
    unknown_length += static_cast<std::uint32_t>(length);
  }
  flush_unknown();
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<std::int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<std::int32_t>(i) + 1 : -1;
  }
}

void Bpe::merge(Scratch& scratch) const {
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  std::vector<Scratch::Merge>& heap = scratch.heap;
  heap.clear();
  const auto find_merge = [&](std::int32_t left) {
    const auto& symbol = symbols[static_cast<std::size_t>(left)];
    return merges_.find(pair_key(symbol.id, symbols[static_cast<std::size_t>(symbol.next)].id));
  };
  const auto add = [&](std::int32_t left) {
    const std::uint64_t* found = find_merge(left);
    if (found == nullptr) return false;
    heap.push_back({(*found >> 32) << 32 | static_cast<std::uint32_t>(left), static_cast<std::int32_t>(*found)});
    return true;
  };
  const auto later = [](const Scratch::Merge& a, const Scratch::Merge& b) { return a.order > b.order; };
  const auto push = [&](std::int32_t left) {
    if (add(left)) std::ranges::push_heap(heap, later);
  };
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) add(static_cast<std::int32_t>(i));
  std::ranges::make_heap(heap, later);
  while (!heap.empty()) {
    const Scratch::Merge top = heap.front();
    std::ranges::pop_heap(heap, later);
    heap.pop_back();
    const auto position = static_cast<std::int32_t>(top.order & 0xFFFFFFFF);
    auto& left = symbols[static_cast<std::size_t>(position)];
    if (left.length == 0 || left.next < 0) continue;
    // The entry is stale when a neighbour has been merged since; the reference tells by the result, not by the pair.
    const std::uint64_t* found = find_merge(position);
    if (found == nullptr || static_cast<std::int32_t>(*found) != top.id) continue;
    auto& right = symbols[static_cast<std::size_t>(left.next)];
    left.id = top.id;
    left.length += right.length;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = position;
    if (left.previous >= 0) push(left.previous);
    if (left.next >= 0) push(position);
  }
}

void Bpe::tokenize(std::string_view word, Scratch& scratch, std::vector<WordToken>& out) const {
  if (ignore_merges_) {
    if (const std::int32_t id = vocabulary_.find(word); id >= 0) {
      out.push_back({id, 0, static_cast<std::uint32_t>(word.size())});
      return;
    }
  }
  split_into_symbols(word, scratch.symbols);
  merge(scratch);
  std::uint32_t at = 0;
  for (const auto& symbol : scratch.symbols) {
    if (symbol.length == 0) continue;
    out.push_back({symbol.id, at, at + symbol.length});
    at += symbol.length;
  }
}

}  // namespace bitnet::text
