#include "bitnet/tokenizer.h"

#include <unistd.h>

#include <algorithm>

#include "base/fail.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "text/tokenizer_impl.h"

namespace bitnet {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxTextBytes = std::size_t{64} << 20;
constexpr std::size_t kMaxDepth = 64;  // of arrays and objects in the file

/// Code points before each byte; what lies outside the text stays as it is, like in the reference.
class CodePointIndex {
 public:
  explicit CodePointIndex(std::string_view text) : index_(text.size()) {
    int count = -1;
    for (std::size_t i = 0; i < text.size(); ++i) {
      count += !continues_character(text[i]);
      index_[i] = count;
    }
  }
  [[nodiscard]] std::pair<int, int> operator()(std::uint32_t begin, std::uint32_t end) const {
    if (begin >= index_.size()) return {static_cast<int>(begin), static_cast<int>(end)};
    const int first = index_[begin];
    if (end < index_.size()) return {first, index_[end]};
    return {first, end <= index_.size() ? index_[end - 1] + 1 : first + 2};
  }

 private:
  std::vector<int> index_;
};

}  // namespace

Tokenizer::Impl::Impl(const text::Field& root)
    : model(root["model"]),
      normalizer(text::make_normalizer(root["normalizer"])),
      pre_tokenizer(text::make_pre_tokenizer(root["pre_tokenizer"])),
      post_processor(text::make_post_processor(root["post_processor"])),
      decoder(text::make_decoder(root["decoder"])),
      added(root["added_tokens"], normalizer.get(), model.vocabulary()) {}

std::shared_ptr<const Tokenizer::Impl> Tokenizer::Impl::parse(std::string_view json, std::string_view source,
                                                              bool padded) {
  if (json.size() > kMaxFileBytes) {
    fail(ErrorKind::limit, "{}: {} bytes; at most {} are read", source, json.size(), kMaxFileBytes);
  }
  simdjson::dom::parser parser(kMaxFileBytes);
  if (parser.allocate(json.size(), kMaxDepth) != simdjson::SUCCESS) throw std::bad_alloc();
  simdjson::dom::element root;
  if (const auto error = parser.parse(json.data(), json.size(), !padded).get(root); error != simdjson::SUCCESS) {
    fail(error == simdjson::DEPTH_ERROR ? ErrorKind::limit : ErrorKind::corrupt, "{}: not valid JSON: {}", source,
         simdjson::error_message(error));
  }
  return std::make_shared<const Impl>(text::Field(root, std::string(source) + ": "));
}

Tokenizer::Encoding Tokenizer::Impl::encode(std::string_view utf8, bool add_special_tokens) const {
  if (utf8.size() > kMaxTextBytes) {
    fail(ErrorKind::limit, "the text to encode has {} bytes; at most {} are taken", utf8.size(), kMaxTextBytes);
  }
  if (const std::size_t valid = valid_utf8_prefix(utf8); valid != utf8.size()) {
    fail(ErrorKind::invalid_argument, "the text to encode is not UTF-8: malformed at byte {}", valid);
  }
  text::PieceList list = added.extract(utf8, normalizer.get());
  if (pre_tokenizer) pre_tokenizer->apply(list);

  const CodePointIndex code_points(utf8);
  std::vector<std::vector<text::PlacedToken>> sequences(1);
  std::vector<text::PlacedToken>& tokens = sequences.front();
  text::Bpe::Scratch scratch;
  std::vector<text::WordToken> words;
  const auto place = [&](const text::Piece& piece, std::uint32_t begin, std::uint32_t end) {
    // More bytes than the piece has: the bytes of a word suffix fell back to byte tokens.
    if (piece.begin + end > piece.end) return code_points(begin, end);
    const auto& align = list.text.align;
    return code_points(align[piece.begin + begin].begin, align[piece.begin + end - 1].end);
  };
  for (const text::Piece& piece : list.pieces) {
    const std::string_view view = list.view(piece);
    if (piece.token >= 0) {
      const auto [begin, end] = place(piece, 0, piece.end - piece.begin);
      tokens.push_back({piece.token, begin, end, view});
      continue;
    }
    words.clear();
    model.tokenize(view, scratch, words);
    for (const text::WordToken& word : words) {
      const auto [begin, end] = place(piece, word.begin, word.end);
      tokens.push_back({word.id, begin, end, model.vocabulary().token(word.id)});
    }
  }
  if (post_processor) post_processor->apply(sequences, add_special_tokens);
  Encoding encoding;
  for (const auto& sequence : sequences) {
    for (const auto& token : sequence) {
      encoding.ids.push_back(token.id);
      encoding.offsets.emplace_back(token.begin, token.end);
    }
  }
  return encoding;
}

std::string_view Tokenizer::Impl::text_to_decode(std::int32_t id, bool skip_special_tokens) const {
  std::string_view token = added.decoded_form(id);
  if (token.data() == nullptr) token = model.vocabulary().token(id);
  return skip_special_tokens && added.is_special(token) ? std::string_view() : token;
}

Tokenizer Tokenizer::from_file(const std::filesystem::path& tokenizer_json) {
  const MappedFile file(tokenizer_json);
  const std::string_view json(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const bool padded = json.size() % page != 0 && json.size() % page + simdjson::SIMDJSON_PADDING <= page;
  return Tokenizer(Impl::parse(json, tokenizer_json.string(), padded));
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view source_name) {
  return Tokenizer(Impl::parse(json, source_name, false));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view utf8, bool add_special_tokens) const {
  return impl_->encode(utf8, add_special_tokens).ids;
}

Tokenizer::Encoding Tokenizer::encode_with_offsets(std::string_view utf8, bool add_special_tokens) const {
  return impl_->encode(utf8, add_special_tokens);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  text::DecoderChain chain(impl_->decoder);
  for (const std::int32_t id : ids) {
    const std::string_view token = impl_->text_to_decode(id, skip_special_tokens);
    if (token.data() != nullptr) chain.token(token);
  }
  chain.finish();
  return chain.take();
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  std::int32_t id = impl_->added.find(token);
  if (id < 0) id = impl_->model.vocabulary().find(token);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::optional<std::string> Tokenizer::id_to_token(std::int32_t id) const {
  std::string_view token = impl_->added.content(id);
  if (token.data() == nullptr) token = impl_->model.vocabulary().token(id);
  return token.data() == nullptr ? std::nullopt : std::optional<std::string>(token);
}

bool Tokenizer::is_special(std::int32_t id) const {
  const auto token = id_to_token(id);
  return token && impl_->added.is_special(*token);
}

std::int32_t Tokenizer::vocab_size() const {
  return static_cast<std::int32_t>(std::max(impl_->added.id_end(), impl_->model.vocabulary().id_end()));
}

}  // namespace bitnet
