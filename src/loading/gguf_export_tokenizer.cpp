#include "loading/gguf_export_tokenizer.h"

#include <simdjson.h>

#include <algorithm>
#include <unordered_map>

#include "base/fail.h"
#include "base/json.h"
#include "bitnet/tokenizer.h"
#include "loading/gguf_tokenizer.h"
#include "loading/pre_tokenizers.h"
#include "text/json_field.h"

namespace bitnet::loading {
namespace {

using formats::GgufWriteEntry;
using JsonField = text::Field;

struct Tokens {
  std::vector<std::string> texts;
  std::vector<std::int32_t> types;
};

bool is_byte_token(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">");
}

/// The tokens by id: of the vocabulary, then what was added over them. Ids that no token has are unused.
Tokens read_tokens(const JsonField& root, std::int64_t vocab_size) {
  Tokens out;
  const auto count = static_cast<std::size_t>(vocab_size);
  out.texts.resize(count);
  out.types.assign(count, kUnused);
  const auto set = [&](std::uint64_t id, std::string_view text, GgufTokenType type) {
    if (id >= count) {
      fail(ErrorKind::corrupt, "{}: token id {} is not below the model's vocab_size of {}", root.path(), id,
           vocab_size);
    }
    out.texts[id] = text;
    out.types[id] = type;
  };
  const JsonField model = root["model"];
  const JsonField unknown_field = model["unk_token"];
  const std::string_view unknown = unknown_field.absent() ? std::string_view() : unknown_field.string();
  const bool bytes = model["byte_fallback"].boolean_or(false);
  const JsonField vocabulary = model["vocab"];
  const simdjson::dom::object by_token = vocabulary.object();
  for (const auto& [token, value] : by_token) {
    const GgufTokenType type = token == unknown ? kUnknown : bytes && is_byte_token(token) ? kByte : kNormal;
    set(JsonField(value, vocabulary.path()).number(), token, type);
  }
  if (const JsonField added = root["added_tokens"]; !added.absent()) {
    for (const JsonField& token : added.elements()) {
      const std::string_view content = token["content"].string();
      if (content == unknown) continue;
      set(token["id"].number(), content, token["special"].boolean_or(false) ? kControl : kUserDefined);
    }
  }
  for (std::size_t id = 0; id < count; ++id) {
    if (out.types[id] == kUnused) out.texts[id] = fmt::format("[PAD{}]", id);
  }
  return out;
}

/// Calls with the two halves of each merge, in their order.
template <typename Step>
void for_each_merge(const JsonField& root, const Step& step) {
  const JsonField merges = root["model"]["merges"];
  const simdjson::dom::array list = merges.array();
  for (const simdjson::dom::element merge : list) {
    std::string_view text;
    if (merge.get(text) == simdjson::SUCCESS) {
      const std::size_t space = std::min(text.find(' '), text.size() - 1);
      step(text.substr(0, space), text.substr(space + 1));
      continue;
    }
    const std::vector<JsonField> pair = JsonField(merge, merges.path()).elements();
    if (pair.size() != 2) fail(ErrorKind::corrupt, "{}: expected pairs of tokens", merges.path());
    step(pair[0].string(), pair[1].string());
  }
}

/// The name of the pre-tokenizer; empty when it is none that has a name.
std::string_view pre_tokenizer_name(const JsonField& root) {
  const JsonField pre = root["pre_tokenizer"];
  if (pre.absent()) return {};
  const JsonField list = pre["pretokenizers"];
  std::vector<JsonField> steps;
  if (list.absent()) {
    steps.push_back(pre);
  } else {
    steps = list.elements();
  }
  std::string_view pattern;
  bool digits = false;
  for (const JsonField& step : steps) {
    if (step["type"].string() == "Digits") digits = true;
    if (step["type"].string() != "Split") continue;
    const JsonField regex = step["pattern"]["Regex"];
    if (regex.absent()) return {};
    pattern = regex.string();
  }
  for (const PreTokenizer& known : kPreTokenizers) {
    if (known.pattern == pattern && known.single_digits == digits) return known.name;
  }
  return {};
}

/// SentencePiece has a score for each token where tokenizer.json has an order of merges: the earlier, the better.
std::vector<float> scores_of(const JsonField& root, const Tokens& tokens) {
  std::unordered_map<std::string, float> ranks;
  float rank = 0;
  for_each_merge(root, [&](std::string_view left, std::string_view right) {
    ranks.emplace(std::string(left) + std::string(right), -rank++);
  });
  std::vector<float> scores;
  for (const std::string& text : tokens.texts) {
    const auto found = ranks.find(text);
    scores.push_back(found == ranks.end() ? -rank : found->second);
  }
  return scores;
}

/// Whether a text that begins with a letter is taken as if a space stood before it.
bool adds_space(const Tokenizer& tokenizer) {
  const std::vector<std::int32_t> ids = tokenizer.encode("a", false);
  if (ids.empty()) return false;
  const std::string first = tokenizer.id_to_token(ids.front()).value_or("");
  return first.starts_with("\u0120") || first.starts_with("\u2581");  // byte-level BPE, SentencePiece
}

void add_model(const JsonField& root, const ModelConfig& config, std::vector<GgufWriteEntry>& out) {
  Tokens tokens = read_tokens(root, config.vocab_size);
  const bool sentence_piece = root["model"]["byte_fallback"].boolean_or(false);
  out.push_back({"tokenizer.ggml.model", std::string(sentence_piece ? "llama" : "gpt2")});
  if (sentence_piece) {
    out.push_back({"tokenizer.ggml.scores", scores_of(root, tokens)});
  } else {
    if (const std::string_view pre = pre_tokenizer_name(root); !pre.empty()) {
      out.push_back({"tokenizer.ggml.pre", std::string(pre)});
    }
    std::vector<std::string> merges;
    for_each_merge(root, [&](std::string_view left, std::string_view right) {
      merges.push_back(std::string(left) + " " + std::string(right));
    });
    out.push_back({"tokenizer.ggml.merges", std::move(merges)});
  }
  out.push_back({"tokenizer.ggml.tokens", std::move(tokens.texts)});
  out.push_back({"tokenizer.ggml.token_type", std::move(tokens.types)});
}

Json json_companion(const StoredModel& stored, std::string_view file) {
  const auto text = stored.companion(file);
  return text ? parse_json(*text, file) : Json::object();
}

void add_chat_template(const StoredModel& stored, const Json& tokenizer_config, std::vector<GgufWriteEntry>& out) {
  std::string chat;
  if (const auto file = stored.companion("chat_template.jinja")) {
    chat = *file;
  } else if (const auto field = tokenizer_config.find("chat_template"); field != tokenizer_config.end()) {
    if (field->is_string()) chat = field->get<std::string>();
    if (field->is_array()) {  // several, by name
      for (const Json& one : *field) {
        if (one.value("name", "") == "default") chat = one.value("template", "");
      }
    }
  }
  if (!chat.empty()) out.push_back({"tokenizer.chat_template", chat});
}

}  // namespace

void add_tokenizer(const StoredModel& stored, std::vector<GgufWriteEntry>& out) {
  const ModelConfig& config = stored.config();
  const auto text = stored.companion("tokenizer.json");
  if (!text) {
    out.push_back({"tokenizer.ggml.model", std::string("none")});
  } else {
    const Tokenizer tokenizer = Tokenizer::from_json(*text, "tokenizer.json");  // checks every field that is read here
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (parser.parse(*text).get(root) != simdjson::SUCCESS) fail(ErrorKind::corrupt, "tokenizer.json: not valid JSON");
    add_model(JsonField(root, "tokenizer.json: "), config, out);
    const std::vector<std::int32_t> added = tokenizer.encode("", true);
    const auto adds = [&](std::optional<std::int32_t> id) {
      return id && std::find(added.begin(), added.end(), *id) != added.end();
    };
    out.push_back({"tokenizer.ggml.add_space_prefix", adds_space(tokenizer)});
    out.push_back({"tokenizer.ggml.add_bos_token", adds(config.bos_token_id)});
    const bool eos = !config.eos_token_id.empty() && adds(config.eos_token_id.front());
    out.push_back({"tokenizer.ggml.add_eos_token", eos});
  }
  const auto add_id = [&](std::string_view key, std::optional<std::int32_t> id) {
    if (id) out.push_back({"tokenizer.ggml." + std::string(key), static_cast<std::uint32_t>(*id)});
  };
  // What a generation ends with stands in generation_config.json, where there is one.
  std::vector<std::int32_t> ends = config.eos_token_id;
  Json generation = json_companion(stored, "generation_config.json");
  if (const auto eos = generation.find("eos_token_id"); eos != generation.end()) {
    if (eos->is_number_integer()) ends = {eos->get<std::int32_t>()};
    if (eos->is_array()) ends = eos->get<std::vector<std::int32_t>>();
  }
  add_id("bos_token_id", config.bos_token_id);
  if (!ends.empty()) {
    add_id("eos_token_id", ends[0]);
    add_id("eot_token_id",
           ends[ends.size() > 1 ? 1 : 0]);  // without this key readers look for a token that might be one
  }
  if (ends.size() > 2) generation["eos_token_id"] = ends;
  add_id("padding_token_id", config.pad_token_id);
  add_chat_template(stored, json_companion(stored, "tokenizer_config.json"), out);
  if (!generation.empty()) out.push_back({"bitnet_core.generation_config", generation.dump()});
  if (text) out.push_back({"tokenizer.huggingface.json", *text});
}

}  // namespace bitnet::loading
