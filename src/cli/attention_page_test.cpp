#include "cli/attention_page.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "support/attention_data.h"
#include "support/expect_error.h"

namespace bitnet::cli {
namespace {

using testing_support::attention_data;
using testing_support::attention_probabilities;
using testing_support::expect_error;

Array pattern_of(std::int64_t heads, std::int64_t tokens) {
  Array array{{1, heads, tokens, tokens}, {}};
  for (std::int64_t row = 0; row < heads * tokens; ++row) {
    const std::int64_t query = row % tokens;
    for (std::int64_t key = 0; key < tokens; ++key) {
      const double p = std::abs(std::sin(static_cast<double>(row * 31 + key * 17)));
      array.data.push_back(key > query ? 0.0F : static_cast<float>(p * p * p));
    }
  }
  return array;
}

TEST(AttentionPage, HoldsThePatternsInEightBits) {
  for (const std::int64_t tokens : {1, 2, 3, 7}) {  // all lengths of the end of a base64 text
    const std::vector<Array> layers = {pattern_of(2, tokens), pattern_of(2, tokens)};
    AttentionView view{"m", std::vector<std::string>(static_cast<std::size_t>(tokens), "t"), 1, {}};
    for (const Array& layer : layers) view.patterns.push_back(&layer);
    const Json data = attention_data(attention_page(view));
    EXPECT_EQ(data.at("layers"), 2);
    EXPECT_EQ(data.at("heads"), 2);
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const std::vector<float> found = attention_probabilities(data, layer);
      ASSERT_EQ(found.size(), layers[layer].data.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        const float p = layers[layer].data[i];
        EXPECT_NEAR(found[i], p, std::sqrt(p) / 255 + 1e-5) << tokens << ", " << i;
      }
    }
  }
}

TEST(AttentionPage, ATokenCannotLeaveItsPlace) {
  const std::string hostile = "</script><b>\"'\\\n<!--<script>\xff\xE2\x80\xA8";
  const Array pattern = pattern_of(1, 2);
  const std::string page = attention_page({hostile, {hostile, "x"}, 1, {&pattern}});
  EXPECT_EQ(page.find("</script><b>"), std::string::npos);
  EXPECT_EQ(page.find("<!--<"), std::string::npos);
  // The elements are those of an empty page.
  const std::string plain = attention_page({"", {"", ""}, 1, {&pattern}});
  const auto tags = [](const std::string& text) { return std::count(text.begin(), text.end(), '<'); };
  EXPECT_EQ(tags(page), tags(plain));
  const Json data = attention_data(page);
  std::string valid = hostile;
  valid.replace(valid.find('\xff'), 1, "\xEF\xBF\xBD");
  EXPECT_EQ(data.at("tokens").at(0), valid);
  EXPECT_EQ(data.at("model"), valid);
}

TEST(AttentionPage, NeedsNothingElse) {
  const std::string page = attention_page({"m", {"a"}, 1, {}});
  for (const char* part : {"http:", "https:", "src=", "href", "@import", "url(", "fetch(", "XMLHttpRequest"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("__DATA__"), std::string::npos);
}

TEST(AttentionPage, ATooLongTextIsRefused) {
  ModelConfig config;
  config.num_hidden_layers = 8;
  config.num_attention_heads = 8;
  require_attention_fits(config, 1447);  // 64 · 1447 · 1448 / 2 bytes are just below 64 MiB
  expect_error(ErrorKind::limit, {"1448 tokens", "at most 64 MiB", "max_new_tokens"},
               [&] { require_attention_fits(config, 1448); });
}

TEST(AttentionPage, TokensAreTheirPartOfTheText) {
  const Tokenizer tokenizer = Tokenizer::from_file(BITNET_SOURCE_DIR "/models/fairy-bitnet/tokenizer.json");
  const std::string text = " Once  upon\n\xF0\x9F\xA6\x8A!";
  const std::vector<std::int32_t> ids = tokenizer.encode(text);
  const std::vector<std::string> texts = token_texts(tokenizer, ids);
  ASSERT_EQ(texts.size(), ids.size());
  EXPECT_EQ(texts[0], "<|begin_of_text|>");
  std::string whole;
  std::size_t parts = 0;
  for (std::size_t i = 1; i < ids.size(); ++i) {
    EXPECT_FALSE(texts[i].empty());
    const std::vector<std::int32_t> one = {ids[i]};
    // Bytes that only begin a character have their name; the last one has the character.
    const bool begins =
        texts[i] != "\xF0\x9F\xA6\x8A" && tokenizer.decode(one).find("\xEF\xBF\xBD") != std::string::npos;
    parts += begins ? 1 : 0;
    if (!begins) whole += texts[i];
  }
  EXPECT_EQ(whole, text);
  EXPECT_GT(parts, 0U);
}

}  // namespace
}  // namespace bitnet::cli
