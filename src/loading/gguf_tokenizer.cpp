#include "loading/gguf_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/fail.h"
#include "base/json.h"
#include "base/utf8.h"
#include "loading/gguf_config.h"
#include "loading/pre_tokenizers.h"

namespace bitnet::loading {
namespace {

using formats::GgufFile;
using Texts = std::vector<std::string_view>;

constexpr std::string_view kSpace = "\u2581";
constexpr std::size_t kLongestMerged = 256;

/// Appends a JSON string. A token of millions of them: not through a JSON object.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find(from, at), text.size());
    out.append(text.substr(at, next - at));
    if (next < text.size()) out += to;
    at = next + from.size();
  }
  return out;
}

class Arrays {
 public:
  explicit Arrays(const GgufFile& file) : file_(file), path_(file.path().string()) {
    tokens = texts_of(file, "tokenizer.ggml.tokens");
    if (tokens == nullptr) fail(ErrorKind::corrupt, "{}: metadata array tokenizer.ggml.tokens is missing", path_);
    for (std::size_t id = 0; id < tokens->size(); ++id) {
      if (valid_utf8_prefix((*tokens)[id]) == (*tokens)[id].size()) continue;
      fail(ErrorKind::corrupt, "{}: tokenizer.ggml.tokens: token {} is not UTF-8", path_, id);
    }
    types_ = array<std::int64_t>("tokenizer.ggml.token_type");
    scores = array<float>("tokenizer.ggml.scores");
    if (scores != nullptr && std::any_of(scores->begin(), scores->end(), [](float s) { return std::isnan(s); })) {
      fail(ErrorKind::corrupt, "{}: tokenizer.ggml.scores holds NaN; expected numbers", path_);
    }
  }
  [[nodiscard]] std::int64_t type(std::size_t id) const {
    return types_ == nullptr ? std::int64_t{kNormal} : (*types_)[id];
  }
  /// The token that a key names by its id; empty when there is none.
  [[nodiscard]] std::string_view special(std::string_view key) const {
    const std::int64_t id = file_.integer_or(key, -1, -1, std::int64_t{1} << 32);
    if (id < 0) return {};
    if (id >= static_cast<std::int64_t>(tokens->size())) {
      fail(ErrorKind::corrupt, "{}: {} is {}, but there are {} tokens", path_, key, id, tokens->size());
    }
    return (*tokens)[static_cast<std::size_t>(id)];
  }

  const Texts* tokens;
  const std::vector<float>* scores;

 private:
  template <typename Element>
  [[nodiscard]] const std::vector<Element>* array(std::string_view key) const {
    const formats::GgufValue* value = file_.value(key);
    if (value == nullptr) return nullptr;
    const auto* found = std::get_if<std::vector<Element>>(value);
    if (found == nullptr || found->size() != tokens->size()) {
      fail(ErrorKind::corrupt, "{}: {} is not an array with one number for each of the {} tokens", path_, key,
           tokens->size());
    }
    return found;
  }

  const GgufFile& file_;
  std::string path_;
  const std::vector<std::int64_t>* types_ = nullptr;
};

std::string vocabulary(const Texts& tokens) {
  std::string out = "{";
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (id > 0) out += ',';
    append_quoted(out, tokens[id]);
    fmt::format_to(std::back_inserter(out), ":{}", id);
  }
  return out + "}";
}

std::string added_tokens(const Arrays& arrays, bool sentence_piece) {
  std::string out = "[";
  for (std::size_t id = 0; id < arrays.tokens->size(); ++id) {
    const std::int64_t type = arrays.type(id);
    if (type != kUnknown && type != kControl && type != kUserDefined) continue;
    if (out.size() > 1) out += ',';
    fmt::format_to(std::back_inserter(out), R"({{"id":{},"content":)", id);
    const std::string_view token = (*arrays.tokens)[id];
    const bool spaced = sentence_piece && type == kUserDefined;
    append_quoted(out, spaced ? replace_all(token, kSpace, " ") : std::string(token));
    fmt::format_to(std::back_inserter(out),
                   R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":{}}})",
                   type != kUserDefined);
  }
  return out + "]";
}

struct Merge {
  std::string_view left;
  std::string_view right;
  float score;
};

/// SentencePiece joins the two neighbours whose joint token has the best score: one merge for each way to cut a token
/// into two others, the best scores first.
std::vector<Merge> merges_of_scores(const Arrays& arrays) {
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < arrays.tokens->size(); ++id) ids.emplace((*arrays.tokens)[id], id);
  std::vector<Merge> merges;
  for (std::size_t id = 0; id < arrays.tokens->size(); ++id) {
    const std::string_view token = (*arrays.tokens)[id];
    if (arrays.type(id) != kNormal || token.size() > kLongestMerged) continue;
    std::vector<std::pair<std::pair<std::size_t, std::size_t>, Merge>> cuts;
    for (std::size_t at = 1; at < token.size(); ++at) {
      if (continues_character(token[at])) continue;
      const auto left = ids.find(token.substr(0, at));
      const auto right = ids.find(token.substr(at));
      if (left == ids.end() || right == ids.end()) continue;
      cuts.push_back({{left->second, right->second}, {left->first, right->first, (*arrays.scores)[id]}});
    }
    std::sort(cuts.begin(), cuts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& cut : cuts) merges.push_back(cut.second);
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) { return a.score > b.score; });
  return merges;
}

/// What the template adds around a text, as tokenizer.json's post-processor.
std::string post_processor(const GgufFile& file, const Arrays& arrays, bool bos_by_default) {
  Json single = Json::array();
  Json special = Json::object();
  const auto add = [&](bool wanted, std::string_view id_key) {
    const std::string token(wanted ? arrays.special(id_key) : std::string_view());
    if (token.empty()) return;
    single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
    const std::int64_t id = file.integer_or(id_key, 0, 0, std::int64_t{1} << 32);
    special[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
  };
  add(file.boolean_or("tokenizer.ggml.add_bos_token", bos_by_default), "tokenizer.ggml.bos_token_id");
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add(file.boolean_or("tokenizer.ggml.add_eos_token", false), "tokenizer.ggml.eos_token_id");
  if (single.size() == 1) return "null";
  return Json{{"type", "TemplateProcessing"}, {"single", single}, {"pair", single}, {"special_tokens", special}}.dump();
}

const PreTokenizer& pre_tokenizer(const GgufFile& file, const LogSink& log) {
  const std::string_view* named = file.text("tokenizer.ggml.pre");
  if (named == nullptr) {
    log_to(log, fmt::format("{}: metadata key tokenizer.ggml.pre is missing; assuming {}", file.path().string(),
                            kPreTokenizers[0].name));
    return kPreTokenizers[0];
  }
  std::string names;
  for (const PreTokenizer& known : kPreTokenizers) {
    if (known.name == *named) return known;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  fail(ErrorKind::unsupported, "{}: tokenizer.ggml.pre \"{}\" is not supported; supported are {}", file.path().string(),
       *named, names);
}

std::string byte_level_json(const GgufFile& file, const LogSink& log) {
  const Arrays arrays(file);
  const Texts* merges = texts_of(file, "tokenizer.ggml.merges");
  if (merges == nullptr) {
    fail(ErrorKind::corrupt, "{}: metadata array tokenizer.ggml.merges is missing", file.path().string());
  }
  const PreTokenizer& pre = pre_tokenizer(file, log);
  Json steps = Json::array();
  if (pre.single_digits) steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  if (!pre.pattern.empty()) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pre.pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  const bool add_space = file.boolean_or("tokenizer.ggml.add_space_prefix", false);
  steps.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", add_space},
                   {"trim_offsets", true},
                   {"use_regex", pre.pattern.empty()}});
  const Json pre_json = {{"type", "Sequence"}, {"pretokenizers", steps}};
  const Json decoder = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  std::string out = fmt::format(
      R"({{"version":"1.0","added_tokens":{},"normalizer":{},"pre_tokenizer":{},"post_processor":{},"decoder":{},)",
      added_tokens(arrays, false), pre.nfc ? R"({"type":"NFC"})" : "null", pre_json.dump(),
      post_processor(file, arrays, pre.add_bos), decoder.dump());
  out += fmt::format(R"("model":{{"type":"BPE","ignore_merges":{},"vocab":)", pre.ignore_merges);
  out += vocabulary(*arrays.tokens) + ",\"merges\":[";
  for (std::size_t i = 0; i < merges->size(); ++i) {
    if (i > 0) out += ',';
    append_quoted(out, (*merges)[i]);
  }
  return out + "]}}";
}

std::string sentence_piece_json(const GgufFile& file) {
  const Arrays arrays(file);
  if (arrays.scores == nullptr) {
    fail(ErrorKind::corrupt, "{}: metadata array tokenizer.ggml.scores is missing", file.path().string());
  }
  const bool add_space = file.boolean_or("tokenizer.ggml.add_space_prefix", true);
  Json normalizers = Json::array();
  if (add_space) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}});
  Json decoders = {{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}};
  if (add_space) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  const Json normalizer = {{"type", "Sequence"}, {"normalizers", normalizers}};
  const Json decoder = {{"type", "Sequence"}, {"decoders", decoders}};
  std::string out = fmt::format(
      R"({{"version":"1.0","added_tokens":{},"normalizer":{},"pre_tokenizer":null,"post_processor":{},"decoder":{},)",
      added_tokens(arrays, true), normalizer.dump(), post_processor(file, arrays, true), decoder.dump());
  out += R"("model":{"type":"BPE","fuse_unk":true,"byte_fallback":true,)";
  if (const std::string_view unknown = arrays.special("tokenizer.ggml.unknown_token_id"); !unknown.empty()) {
    out += "\"unk_token\":";
    append_quoted(out, unknown);
    out += ',';
  }
  out += "\"vocab\":" + vocabulary(*arrays.tokens) + ",\"merges\":[";
  bool first = true;
  for (const Merge& merge : merges_of_scores(arrays)) {
    if (!first) out += ',';
    first = false;
    out += '[';
    append_quoted(out, merge.left);
    out += ',';
    append_quoted(out, merge.right);
    out += ']';
  }
  return out + "]}}";
}

}  // namespace

std::optional<std::string> tokenizer_json(const GgufFile& file, const LogSink& log) {
  if (const std::string_view* copy = file.text("tokenizer.huggingface.json")) return std::string(*copy);
  const std::string_view* model = file.text("tokenizer.ggml.model");
  if (model == nullptr || *model == "none" || *model == "no_vocab") return std::nullopt;
  if (*model == "gpt2") return byte_level_json(file, log);
  if (*model == "llama") return sentence_piece_json(file);
  fail(ErrorKind::unsupported, "{}: tokenizer.ggml.model \"{}\" is not supported; supported are gpt2 and llama",
       file.path().string(), *model);
}

std::string tokenizer_config_json(const GgufFile& file) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (texts_of(file, "tokenizer.ggml.tokens") != nullptr) {
    const Arrays arrays(file);
    for (const auto& [field, key] :
         {std::pair{"bos_token", "tokenizer.ggml.bos_token_id"}, std::pair{"eos_token", "tokenizer.ggml.eos_token_id"},
          std::pair{"pad_token", "tokenizer.ggml.padding_token_id"},
          std::pair{"unk_token", "tokenizer.ggml.unknown_token_id"}}) {
      if (const std::string_view token = arrays.special(key); !token.empty()) config[field] = token;
    }
  }
  if (const std::string_view* chat = file.text("tokenizer.chat_template")) {
    if (valid_utf8_prefix(*chat) != chat->size()) {
      fail(ErrorKind::corrupt, "{}: tokenizer.chat_template is not UTF-8", file.path().string());
    }
    config["chat_template"] = *chat;
  }
  return config.dump(2) + "\n";
}

}  // namespace bitnet::loading
