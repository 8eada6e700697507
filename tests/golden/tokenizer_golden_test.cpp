/// Every NAME.tokenizer.json[.gz] of the folder against NAME.goldens.json, which the `tokenizers` library made.

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/text_file.h"
#include "bitnet/tokenizer.h"

namespace bitnet {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

std::filesystem::path folder() {
  const char* elsewhere = std::getenv("BITNET_GOLDENS");
  const std::filesystem::path root = elsewhere != nullptr ? elsewhere : BITNET_SOURCE_DIR "/tests/golden";
  return root / "tokenizers";
}

std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(folder())) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().string().ends_with(".goldens.json")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

/// gzread reads plain files too.
std::string read_maybe_gzipped(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::string text;
  std::vector<char> buffer(1 << 20);
  int count = 0;
  while ((count = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  gzclose(file);
  if (count < 0) throw std::runtime_error("cannot decompress " + path.string());
  return text;
}

Tokenizer load(const std::filesystem::path& goldens) {
  std::string base = goldens.string();
  base.resize(base.size() - std::string(".goldens.json").size());
  base += ".tokenizer.json";
  if (std::filesystem::exists(base)) return Tokenizer::from_file(base);
  return Tokenizer::from_json(read_maybe_gzipped(base + ".gz"), base + ".gz");
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, bool skip) {
  StreamingDecoder decoder(tokenizer, skip);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  return text + decoder.flush();
}

void expect_decodes(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, bool skip,
                    const std::string& text) {
  EXPECT_EQ(tokenizer.decode(ids, skip), text);
  EXPECT_EQ(streamed(tokenizer, ids, skip), text);
}

class TokenizerGolden : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(TokenizerGolden, EncodesAndDecodesLikeTheReference) {
  const Tokenizer tokenizer = load(GetParam());
  const Json goldens = parse_json(read_text_file(GetParam(), kMaxBytes), GetParam().string());
  const Json strings = read_json_file(folder() / "strings.json");
  EXPECT_EQ(tokenizer.vocab_size(), goldens.at("vocab_size").get<std::int32_t>());
  ASSERT_FALSE(goldens.at("cases").empty());
  for (const Json& golden : goldens.at("cases")) {
    const auto text = strings.at(golden.at("i").get<std::size_t>()).get<std::string>();
    SCOPED_TRACE(testing::Message() << "string " << golden.at("i") << ": " << testing::PrintToString(text));
    const auto ids = golden.at("ids").get<std::vector<std::int32_t>>();
    const auto ids_special = golden.at("ids_special").get<std::vector<std::int32_t>>();
    const Tokenizer::Encoding encoding = tokenizer.encode_with_offsets(text, false);
    EXPECT_EQ(encoding.ids, ids);
    EXPECT_EQ(encoding.offsets, (golden.at("offsets").get<std::vector<std::pair<int, int>>>()));
    EXPECT_EQ(tokenizer.encode(text, true), ids_special);
    expect_decodes(tokenizer, ids, false, golden.at("dec").get<std::string>());
    expect_decodes(tokenizer, ids_special, true, golden.at("dec_skip").get<std::string>());
  }
}

TEST_P(TokenizerGolden, DecodesRandomIdsLikeTheReference) {
  const Tokenizer tokenizer = load(GetParam());
  const Json goldens = parse_json(read_text_file(GetParam(), kMaxBytes), GetParam().string());
  ASSERT_FALSE(goldens.at("decode_random").empty());
  for (const Json& golden : goldens.at("decode_random")) {
    SCOPED_TRACE(golden.at("ids").dump());
    const auto ids = golden.at("ids").get<std::vector<std::int32_t>>();
    expect_decodes(tokenizer, ids, false, golden.at("dec").get<std::string>());
    expect_decodes(tokenizer, ids, true, golden.at("dec_skip").get<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(Folder, TokenizerGolden, testing::ValuesIn(golden_files()), [](const auto& info) {
  std::string name = info.param.filename().string();
  name.resize(name.find('.'));
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

TEST(TokenizerGoldenFolder, HoldsGoldens) { EXPECT_FALSE(golden_files().empty()) << folder(); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TokenizerGolden);

}  // namespace
}  // namespace bitnet
