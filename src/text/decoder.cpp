#include "text/decoder.h"

#include <cstdint>
#include <utility>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/metaspace.h"
#include "text/pattern.h"

namespace bitnet::text {
namespace {

/// A stage that only changes parts overrides part() alone.
class Stage : public DecoderStage {
 public:
  explicit Stage(DecoderStage& next) : next_(next) {}
  void end_token() override { next_.end_token(); }
  void finish() override { next_.finish(); }

 protected:
  void emit_token(std::string_view text) {
    next_.part(text);
    next_.end_token();
  }
  DecoderStage& next_;
};

/// A stage that needs to see a token as a whole.
class TokenStage : public Stage {
 public:
  using Stage::Stage;
  void part(std::string_view text) final { token_ += text; }
  void end_token() final {
    on_token(token_);
    token_.clear();
  }

 protected:
  virtual void on_token(std::string& token) = 0;

 private:
  std::string token_;
};

/// Joins the bytes of all tokens; what is not UTF-8 becomes U+FFFD.
class ByteLevelStage final : public TokenStage {
 public:
  using TokenStage::TokenStage;
  void finish() override {
    release(false);
    next_.end_token();
    next_.finish();
  }

 private:
  void on_token(std::string& token) override {
    const std::size_t before = bytes_.size();
    for (std::size_t at = 0; at < token.size(); at += char_length(token[at])) {
      const int byte = byte_level_byte(code_point_at(token, at));
      if (byte < 0) {  // not of the alphabet: an added token, taken as it is
        bytes_.resize(before);
        bytes_ += token;
        break;
      }
      bytes_ += static_cast<char>(byte);
    }
    release(true);
  }
  void release(bool more_may_come) {
    std::string text;
    bytes_.erase(0, append_lossy(text, bytes_, more_may_come));
    next_.part(text);
  }

  std::string bytes_;  // after release(true): the start of one character
};

/// A run of tokens like <0x41> is the text of its bytes, or one U+FFFD per byte when they are not UTF-8.
class ByteFallbackStage final : public TokenStage {
 public:
  using TokenStage::TokenStage;
  void finish() override {
    release();
    next_.finish();
  }

 private:
  static int hex(char c) noexcept {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  }
  static int byte_of(std::string_view token) noexcept {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    const int low = hex(token[4]);
    if (token[3] == '+') return low;  // the reference's number parser takes a sign
    const int high = hex(token[3]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
  }
  void on_token(std::string& token) override {
    if (const int byte = byte_of(token); byte >= 0) {
      run_ += static_cast<char>(byte);
      return;
    }
    release();
    emit_token(token);
  }
  void release() {
    if (valid_utf8_prefix(run_) == run_.size()) {
      if (!run_.empty()) emit_token(run_);
    } else {
      for (std::size_t i = 0; i < run_.size(); ++i) emit_token("\xEF\xBF\xBD");
    }
    run_.clear();
  }

  std::string run_;
};

/// Makes one token of all.
class FuseStage final : public Stage {
 public:
  using Stage::Stage;
  void part(std::string_view text) override { next_.part(text); }
  void end_token() override {}
  void finish() override {
    next_.end_token();
    next_.finish();
  }
};

class ReplaceStage final : public TokenStage {
 public:
  ReplaceStage(DecoderStage& next, const Pattern& pattern, std::string_view content)
      : TokenStage(next), pattern_(pattern), content_(content) {}

 private:
  void on_token(std::string& token) override {
    std::string replaced;
    std::size_t at = 0;
    if (!token.empty()) {
      for (const ByteRange& match : pattern_.find_all(token)) {
        replaced.append(token, at, match.begin - at).append(content_);
        at = match.end;
        if (replaced.size() > kMaxTokenBytes) {
          fail(ErrorKind::limit, "the decoder makes more than {} bytes of one token", kMaxTokenBytes);
        }
      }
    }
    emit_token(replaced.append(token, at));
  }

  static constexpr std::size_t kMaxTokenBytes = std::size_t{4} << 20;  // a chain of steps can double it each time
  const Pattern& pattern_;
  std::string_view content_;
};

/// Takes up to `start` copies of a character from the start of each token and up to `stop` from its end.
class StripStage final : public Stage {
 public:
  StripStage(DecoderStage& next, char32_t content, std::uint64_t start, std::uint64_t stop)
      : Stage(next), start_(start), stop_(stop) {
    append_code_point(content_, content);
  }
  void part(std::string_view text) override {
    while (at_start_ < start_ && text.starts_with(content_)) {
      text.remove_prefix(content_.size());
      ++at_start_;
    }
    if (text.empty()) return;
    at_start_ = start_;
    // The last copies may be the token's end: they wait.
    std::size_t end = text.size();
    std::uint64_t copies = 0;
    while (copies < stop_ && text.substr(0, end).ends_with(content_)) {
      end -= content_.size();
      ++copies;
    }
    if (end > 0) {
      flush(held_);
      held_ = 0;
      next_.part(text.substr(0, end));
    }
    held_ += copies;
    if (held_ > stop_) {
      flush(held_ - stop_);
      held_ = stop_;
    }
  }
  void end_token() override {
    at_start_ = held_ = 0;
    next_.end_token();
  }

 private:
  void flush(std::uint64_t copies) {
    for (; copies > 0; --copies) next_.part(content_);
  }

  std::string content_;
  std::uint64_t start_;
  std::uint64_t stop_;
  std::uint64_t at_start_ = 0;
  std::uint64_t held_ = 0;  // copies of content_ that end what the token has been so far
};

class MetaspaceStage final : public Stage {
 public:
  MetaspaceStage(DecoderStage& next, MetaspaceSettings settings) : Stage(next), settings_(settings) {}
  void part(std::string_view text) override {
    std::string spaced;
    for (std::size_t at = 0; at < text.size(); at += char_length(text[at])) {
      if (code_point_at(text, at) != settings_.replacement) {
        spaced.append(text, at, char_length(text[at]));
      } else if (!first_ || settings_.scheme == PrependScheme::never) {
        spaced += ' ';
      }
    }
    next_.part(spaced);
  }
  void end_token() override {
    first_ = false;
    next_.end_token();
  }

 private:
  MetaspaceSettings settings_;
  bool first_ = true;
};

/// Joins tokens with spaces.
class JoinStage final : public Stage {
 public:
  using Stage::Stage;
  void part(std::string_view text) override {
    if (std::exchange(owes_space_, false)) next_.part(" ");
    next_.part(text);
  }
  void end_token() override {
    if (std::exchange(owes_space_, true)) next_.part(" ");  // the token was empty
    next_.end_token();
  }

 private:
  bool owes_space_ = false;
};

void add_stages(const Field& field, std::vector<StageFactory>& stages) {
  const std::string_view type = field["type"].string();
  const auto add = [&](auto make) { stages.emplace_back(std::move(make)); };
  if (type == "Sequence") {
    for (const Field& element : field["decoders"].elements()) add_stages(element, stages);
  } else if (type == "ByteLevel") {
    add([](DecoderStage& next) { return std::make_unique<ByteLevelStage>(next); });
  } else if (type == "ByteFallback") {
    add([](DecoderStage& next) { return std::make_unique<ByteFallbackStage>(next); });
  } else if (type == "Fuse") {
    add([](DecoderStage& next) { return std::make_unique<FuseStage>(next); });
  } else if (type == "Metaspace") {
    add([settings = read_metaspace(field)](DecoderStage& next) {
      return std::make_unique<MetaspaceStage>(next, settings);
    });
  } else if (type == "Replace") {
    // The stage refers to what the factory owns.
    struct Settings {
      Pattern pattern;
      std::string content;
    };
    const auto settings =
        std::make_shared<const Settings>(Settings{Pattern(field["pattern"]), std::string(field["content"].string())});
    add([settings](DecoderStage& next) {
      return std::make_unique<ReplaceStage>(next, settings->pattern, settings->content);
    });
  } else if (type == "Strip") {
    add([content = field["content"].character(), start = field["start"].number(), stop = field["stop"].number()](
            DecoderStage& next) { return std::make_unique<StripStage>(next, content, start, stop); });
  } else {
    fail(ErrorKind::unsupported,
         "{}: the decoder \"{}\" is not supported; supported are Sequence, ByteLevel, ByteFallback, Fuse, Metaspace, "
         "Replace and Strip",
         field.path(), type);
  }
}

}  // namespace

class DecoderChain::Sink final : public DecoderStage {
 public:
  void part(std::string_view text) override { out += text; }
  void end_token() override {}
  void finish() override {}
  std::string out;
};

std::vector<StageFactory> make_decoder(const Field& field) {
  std::vector<StageFactory> stages;
  if (field.absent()) {
    stages.emplace_back([](DecoderStage& next) { return std::make_unique<JoinStage>(next); });
  } else {
    add_stages(field, stages);
  }
  return stages;
}

DecoderChain::DecoderChain(const std::vector<StageFactory>& factories) {
  auto sink = std::make_unique<Sink>();
  out_ = &sink->out;
  stages_.push_back(std::move(sink));
  for (auto factory = factories.rbegin(); factory != factories.rend(); ++factory) {
    stages_.push_back((*factory)(*stages_.back()));
  }
}

void DecoderChain::token(std::string_view text) {
  stages_.back()->part(text);
  stages_.back()->end_token();
}

void DecoderChain::finish() { stages_.back()->finish(); }

std::string DecoderChain::take() { return std::exchange(*out_, {}); }

}  // namespace bitnet::text
