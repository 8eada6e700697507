#include "text/normalizer.h"

#include <utf8proc.h>

#include <utility>
#include <vector>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/character_classes.h"
#include "text/pattern.h"
#include "text/unicode_normalization.h"

namespace bitnet::text {
namespace {

class UnicodeForm final : public Normalizer {
 public:
  explicit UnicodeForm(NormalizationForm form) : form_(form) {}
  void apply(AlignedText& text) const override { text.transform(normalize_unicode(text.bytes, form_)); }

 private:
  NormalizationForm form_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(const Field& field) : prefix_(field["prepend"].string()) {}
  void apply(AlignedText& text) const override {
    if (text.size() == 0) return;
    AlignedText result;
    result.append_prefixed(prefix_, text, 0, text.size());
    text = std::move(result);
  }

 private:
  std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(const Field& field) : pattern_(field["pattern"]), content_(field["content"].string()) {}
  void apply(AlignedText& text) const override {
    if (text.size() == 0) return;
    // A chain of such steps can double the text each time.
    const std::size_t original = text.align.back().end - text.align.front().begin;
    const std::size_t limit = (std::size_t{1} << 20) + 16 * original;
    AlignedText result;
    std::size_t at = 0;
    for (const ByteRange& match : pattern_.find_all(text.bytes)) {
      result.append(text, at, match.begin);
      // What is put in belongs to the last character that went out.
      const Span origin = match.end > 0 ? text.align[match.end - 1] : Span{text.align[0].begin, text.align[0].begin};
      result.append(content_, origin);
      at = match.end;
      if (result.size() > limit) {
        fail(ErrorKind::limit, "the normalizer makes more than {} bytes of {}", limit, original);
      }
    }
    result.append(text, at, text.size());
    text = std::move(result);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Strip final : public Normalizer {
 public:
  explicit Strip(const Field& field) : left_(field["strip_left"].boolean()), right_(field["strip_right"].boolean()) {}
  void apply(AlignedText& text) const override {
    std::size_t first = text.size();
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size(); at += char_length(text.bytes[at])) {
      if (is_whitespace(code_point_at(text.bytes, at))) continue;
      first = std::min(first, at);
      end = at + char_length(text.bytes[at]);
    }
    if (!left_) first = 0;
    if (!right_) end = text.size();
    AlignedText result;
    if (first < end) result.append(text, first, end);
    text = std::move(result);
  }

 private:
  bool left_;
  bool right_;
};

class Lowercase final : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    std::vector<Transformed> lowered;
    for (std::size_t at = 0; at < text.size(); at += char_length(text.bytes[at])) {
      const char32_t c = code_point_at(text.bytes, at);
      if (c == U'\u0130') {  // the one character whose lower case is two
        lowered.push_back({U'i', 0});
        lowered.push_back({U'\u0307', 1});
      } else {
        lowered.push_back({static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), 0});
      }
    }
    text.transform(lowered);
  }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    AlignedText result;
    for (std::size_t i = 0; i < text.size(); ++i) {
      result.append(byte_level_char(static_cast<unsigned char>(text.bytes[i])), text.align[i]);
    }
    text = std::move(result);
  }
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(const Field& field) {
    for (const Field& element : field["normalizers"].elements()) steps_.push_back(make_normalizer(element));
  }
  void apply(AlignedText& text) const override {
    for (const auto& step : steps_) step->apply(text);
  }

 private:
  std::vector<std::unique_ptr<const Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<const Normalizer> make_normalizer(const Field& field) {
  if (field.absent()) return nullptr;
  const std::string_view type = field["type"].string();
  if (type == "Sequence") return std::make_unique<NormalizerSequence>(field);
  if (type == "NFC") return std::make_unique<UnicodeForm>(NormalizationForm::nfc);
  if (type == "NFD") return std::make_unique<UnicodeForm>(NormalizationForm::nfd);
  if (type == "NFKC") return std::make_unique<UnicodeForm>(NormalizationForm::nfkc);
  if (type == "NFKD") return std::make_unique<UnicodeForm>(NormalizationForm::nfkd);
  if (type == "Prepend") return std::make_unique<Prepend>(field);
  if (type == "Replace") return std::make_unique<Replace>(field);
  if (type == "Strip") return std::make_unique<Strip>(field);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  fail(ErrorKind::unsupported,
       "{}: the normalizer \"{}\" is not supported; supported are Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, "
       "Strip, Lowercase and ByteLevel",
       field.path(), type);
}

}  // namespace bitnet::text
