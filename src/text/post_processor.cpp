#include "text/post_processor.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/character_classes.h"
#include "text/vocabulary.h"

namespace bitnet::text {
namespace {

using Sequences = std::vector<std::vector<PlacedToken>>;

/// Leaves the spaces of a token out of its offsets.
class ByteLevelPostProcessor final : public PostProcessor {
 public:
  explicit ByteLevelPostProcessor(const Field& field)
      : add_prefix_space_(field["add_prefix_space"].boolean()), trim_(field["trim_offsets"].boolean()) {}

  void apply(Sequences& sequences, bool) const override {
    if (!trim_) return;
    for (auto& sequence : sequences) {
      for (std::size_t i = 0; i < sequence.size(); ++i) trim(sequence[i], i == 0);
    }
  }

 private:
  void trim(PlacedToken& token, bool first) const {
    int leading = 0;
    int trailing = 0;
    bool only_spaces = true;
    for (std::size_t at = 0; at < token.text.size(); at += char_length(token.text[at])) {
      const char32_t c = code_point_at(token.text, at);
      const bool space = c == kByteLevelSpace || is_whitespace(c);
      only_spaces = only_spaces && space;
      leading += only_spaces;
      trailing = space ? trailing + 1 : 0;
    }
    if (leading > 0) {
      // One leading space of the first token is the one that the pre-tokenizer put there.
      if ((first || token.begin == 0) && add_prefix_space_ && leading == 1) leading = 0;
      token.begin = std::min(token.begin + leading, token.end);
    }
    if (trailing > 0 && token.end >= trailing) token.end = std::max(token.end - trailing, token.begin);
  }

  bool add_prefix_space_;
  bool trim_;
};

/// Puts fixed tokens around the text. Only the template for a single text is used.
class Template final : public PostProcessor {
 public:
  explicit Template(const Field& field) {
    const Field tokens = field["special_tokens"];
    for (const Field& element : field["single"].elements()) {
      const Field sequence = element["Sequence"];
      if (!sequence.absent()) {
        if (sequence["id"].string() != "A") {
          fail(ErrorKind::corrupt, "{}.id: \"{}\" found, expected \"A\": there is one text", sequence.path(),
               sequence["id"].string());
        }
        parts_.push_back({true, {}});
        continue;
      }
      const Field special = tokens[element["SpecialToken"]["id"].string()];
      Part part{false, {}};
      const std::vector<Field> ids = special["ids"].elements();
      const std::vector<Field> names = special["tokens"].elements();
      if (ids.size() != names.size()) {
        fail(ErrorKind::corrupt, "{}: {} ids and {} tokens; expected as many", special.path(), ids.size(),
             names.size());
      }
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::uint64_t id = ids[i].number();
        if (id >= kMaxTokens) fail(ErrorKind::limit, "{}: {} is not below 2^24", ids[i].path(), id);
        part.tokens.push_back({static_cast<std::int32_t>(id), std::string(names[i].string())});
      }
      parts_.push_back(std::move(part));
    }
  }

  void apply(Sequences& sequences, bool add_special_tokens) const override {
    Sequences result;
    for (const Part& part : parts_) {
      if (part.is_text) {
        result.push_back(sequences.front());
      } else if (add_special_tokens) {
        auto& sequence = result.emplace_back();
        for (const auto& [id, name] : part.tokens) sequence.push_back({id, 0, 0, name});
      }
    }
    sequences = std::move(result);
  }

 private:
  struct Part {
    bool is_text;
    std::vector<std::pair<std::int32_t, std::string>> tokens;
  };
  std::vector<Part> parts_;
};

class PostProcessorSequence final : public PostProcessor {
 public:
  explicit PostProcessorSequence(const Field& field) {
    bool has_template = false;
    for (const Field& element : field["processors"].elements()) {
      const bool is_template = element["type"].string() != "ByteLevel";
      // The reference would read the parts of the first template as a pair of texts.
      if (is_template && std::exchange(has_template, true)) {
        fail(ErrorKind::unsupported, "{}: a second template or sequence after the first is not supported",
             element.path());
      }
      steps_.push_back(make_post_processor(element));
    }
  }
  void apply(Sequences& sequences, bool add_special_tokens) const override {
    for (const auto& step : steps_) step->apply(sequences, add_special_tokens);
  }

 private:
  std::vector<std::unique_ptr<const PostProcessor>> steps_;
};

}  // namespace

std::unique_ptr<const PostProcessor> make_post_processor(const Field& field) {
  if (field.absent()) return nullptr;
  const std::string_view type = field["type"].string();
  if (type == "ByteLevel") return std::make_unique<ByteLevelPostProcessor>(field);
  if (type == "TemplateProcessing") return std::make_unique<Template>(field);
  if (type == "Sequence") return std::make_unique<PostProcessorSequence>(field);
  fail(ErrorKind::unsupported,
       "{}: the post-processor \"{}\" is not supported; supported are ByteLevel, TemplateProcessing and Sequence",
       field.path(), type);
}

}  // namespace bitnet::text
