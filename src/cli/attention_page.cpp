#include "cli/attention_page.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/fail.h"
#include "base/json.h"

namespace bitnet::cli {
namespace {

constexpr double kMaxPatternBytes = 64.0 * (1 << 20);
constexpr std::string_view kPlace = "__DATA__";

std::string base64(const std::vector<std::uint8_t>& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < count ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

/// The part that is not zero by definition.
std::string encode(const Array& pattern) {
  const std::int64_t heads = pattern.shape[1];
  const std::int64_t tokens = pattern.shape[2];
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(heads * tokens * (tokens + 1) / 2));
  for (std::int64_t row = 0; row < heads * tokens; ++row) {
    const float* const p = pattern.data.data() + row * tokens;
    for (std::int64_t key = 0; key <= row % tokens; ++key) {
      bytes.push_back(static_cast<std::uint8_t>(std::lround(255 * std::sqrt(std::clamp(p[key], 0.0F, 1.0F)))));
    }
  }
  return base64(bytes);
}

}  // namespace

void require_attention_fits(const ModelConfig& config, std::size_t tokens) {
  const auto count = static_cast<double>(tokens);
  const double bytes =
      static_cast<double>(config.num_hidden_layers * config.num_attention_heads) * count * (count + 1) / 2;
  if (bytes <= kMaxPatternBytes) return;
  fail(ErrorKind::limit,
       "the attention of {} tokens would make a page with {:.0f} MiB of probabilities; expected at most {:.0f} MiB: "
       "shorten the prompt, lower max_new_tokens, or use --dump",
       tokens, bytes / (1 << 20), kMaxPatternBytes / (1 << 20));
}

std::string attention_page(const AttentionView& view) {
  Json json = {{"model", view.model}, {"tokens", view.tokens}, {"prompt", view.prompt_tokens}};
  json["layers"] = view.patterns.size();
  json["heads"] = view.patterns.empty() ? 0 : view.patterns.front()->shape[1];
  Json& patterns = json["patterns"] = Json::array();
  for (const Array* pattern : view.patterns) patterns.push_back(encode(*pattern));

  const std::string_view page = kAttentionPage;
  const std::size_t place = page.find(kPlace);
  std::string out(page.substr(0, place));
  // In JSON "<" stands only within strings. Without it no token can end the script element or open a comment.
  for (const char byte : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (byte == '<') {
      out += "\\u003c";
    } else {
      out += byte;
    }
  }
  out += page.substr(place + kPlace.size());
  return out;
}

std::vector<std::string> token_texts(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
  StreamingDecoder decoder(tokenizer, false);
  std::vector<std::string> texts;
  for (const std::int32_t id : ids) texts.push_back(decoder.push(id));
  if (!texts.empty()) texts.back() += decoder.flush();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (texts[i].empty()) texts[i] = tokenizer.id_to_token(ids[i]).value_or("");
  }
  return texts;
}

}  // namespace bitnet::cli
