#include "bitnet/tokenizer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "bitnet/error.h"

namespace bitnet {
namespace {

using Ids = std::vector<std::int32_t>;
using Offsets = std::vector<std::pair<int, int>>;

/// A tokenizer over the letters a, b, c, the space and ab; `fields` is JSON put beside the model.
Tokenizer make(const std::string& fields = "", const std::string& model = "",
               const std::string& vocab = R"("a": 0, "b": 1, "ab": 2, " ": 3, "c": 4)",
               const std::string& merges = R"("a b")") {
  return Tokenizer::from_json("{" + fields + (fields.empty() ? "" : ",") + R"("model": {"type": "BPE", )" + model +
                                  (model.empty() ? "" : ",") + R"("vocab": {)" + vocab + R"(}, "merges": [)" + merges +
                                  "]}}",
                              "test.json");
}

std::string added(const std::string& content, const std::string& flags = "") {
  return R"("added_tokens": [{"id": 9, "content": ")" + content + R"(", "special": true, "normalized": false)" +
         (flags.empty() ? "" : ", " + flags) + "}]";
}

template <typename Call>
void expect_error(ErrorKind kind, const std::string& part, Call call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with \"" << part << '"';
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Tokenizer, MergesLowestRankFirstThenLeftmost) {
  const Tokenizer tokenizer =
      make("", "", R"("a": 0, "b": 1, "aa": 2, "ab": 3, "aab": 4)", R"("a a", "a b", ["a", "ab"])");
  EXPECT_EQ(tokenizer.encode("aaab"), (Ids{2, 3}));
  EXPECT_EQ(tokenizer.encode("ab"), (Ids{3}));
  EXPECT_EQ(tokenizer.encode("aab"), (Ids{2, 1}));
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST(Tokenizer, IgnoresMergesForWholeWordsOfTheVocabulary) {
  EXPECT_EQ(make("", "", R"("a": 0, "b": 1, "ab": 2)", "").encode("ab"), (Ids{0, 1}));
  EXPECT_EQ(make("", R"("ignore_merges": true)", R"("a": 0, "b": 1, "ab": 2)", "").encode("ab"), (Ids{2}));
}

TEST(Tokenizer, LongWordsAreMergedInOneGo) {
  const Ids ids = make().encode(std::string(200'000, 'a') + "b");
  ASSERT_EQ(ids.size(), 200'000U);
  EXPECT_EQ(ids.back(), 2);
}

TEST(Tokenizer, UnknownCharactersVanishOrFuseOrBecomeBytes) {
  EXPECT_EQ(make().encode("aéb"), (Ids{2}));
  const std::string vocab = R"("<unk>": 0, "a": 1)";
  EXPECT_EQ(make("", R"("unk_token": "<unk>")", vocab, "").encode("éüa"), (Ids{0, 0, 1}));
  EXPECT_EQ(make("", R"("unk_token": "<unk>", "fuse_unk": true)", vocab, "").encode("éüa"), (Ids{0, 1}));
  const Tokenizer bytes = make("", R"("unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true)",
                               R"("<unk>": 0, "a": 1, "<0xC3>": 2, "<0xA9>": 3)", "");
  EXPECT_EQ(bytes.encode("éa"), (Ids{2, 3, 1}));
  // As in the reference: an unknown character waits for the next known one while bytes go in.
  EXPECT_EQ(bytes.encode("üéüa"), (Ids{2, 3, 0, 1}));
  expect_error(ErrorKind::corrupt, "unk_token \"x\"", [] { (void)make("", R"("unk_token": "x")").encode("é"); });
}

TEST(Tokenizer, PrefixAndSuffixMarkThePlaceInTheWord) {
  const Tokenizer tokenizer = make("", R"("continuing_subword_prefix": "#", "end_of_word_suffix": "$")",
                                   R"("a": 0, "#b": 1, "#b$": 2, "ab$": 3)", R"("a #b$")");
  EXPECT_EQ(tokenizer.encode("ab"), (Ids{3}));
  EXPECT_EQ(tokenizer.encode("abb"), (Ids{0, 1, 2}));
}

TEST(Tokenizer, AddedTokensTakeSpacesAsTheirFlagsSay) {
  EXPECT_EQ(make(added("<x>")).encode_with_offsets("a <x> b").offsets,
            (Offsets{{0, 1}, {1, 2}, {2, 5}, {5, 6}, {6, 7}}));
  const auto both = make(added("<x>", R"("lstrip": true, "rstrip": true)")).encode_with_offsets("a  <x>  <x> b");
  EXPECT_EQ(both.ids, (Ids{0, 9, 9, 1}));
  EXPECT_EQ(both.offsets, (Offsets{{0, 1}, {1, 8}, {8, 12}, {12, 13}}));
}

TEST(Tokenizer, SingleWordsDoNotTouchWords) {
  const Tokenizer tokenizer = make(added("bc", R"("single_word": true)"));
  EXPECT_EQ(tokenizer.encode("bc abc bca bc"), (Ids{9, 3, 2, 4, 3, 1, 4, 0, 3, 9}));
  EXPECT_EQ(tokenizer.encode("bc\u200d bc."), (Ids{1, 4, 3, 9}));
}

TEST(Tokenizer, TheLongestAddedTokenWins) {
  const Tokenizer tokenizer = make(
      R"("added_tokens": [{"id": 9, "content": "ab"}, {"id": 10, "content": "abab"}, {"id": 11, "content": "bc"}])", "",
      R"("a": 0, "b": 1, "c": 2)", "");
  EXPECT_EQ(tokenizer.encode("ababcabb"), (Ids{10, 2, 9, 1}));
}

TEST(Tokenizer, NormalizedAddedTokensAreFoundInNormalizedText) {
  const Tokenizer tokenizer = make(R"("normalizer": {"type": "Lowercase"}, "added_tokens": [
      {"id": 9, "content": "Ab", "normalized": true}, {"id": 10, "content": "AB", "normalized": false}])");
  EXPECT_EQ(tokenizer.encode("aBAB"), (Ids{9, 10}));
  EXPECT_EQ(tokenizer.decode(Ids{9}), "ab");
  EXPECT_EQ(tokenizer.id_to_token(9), "Ab");
}

TEST(Tokenizer, OffsetsPointIntoTheTextBeforeNormalization) {
  const Tokenizer tokenizer = make(R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"},
      {"type": "Strip", "strip_left": true, "strip_right": true},
      {"type": "Replace", "pattern": {"Regex": "c+"}, "content": "ab"}]})");
  const auto encoding = tokenizer.encode_with_offsets(" \u00a0cc\uFF41c ");
  EXPECT_EQ(encoding.ids, (Ids{2, 0, 2}));
  EXPECT_EQ(encoding.offsets, (Offsets{{3, 4}, {4, 5}, {5, 6}}));
}

TEST(Tokenizer, TrimmedOffsetsLeaveSpacesOut) {
  const std::string fields = R"("pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": true},
      "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true})";
  const auto encoding = make(fields, "", R"("a": 0, "Ġ": 1, "Ġa": 2)", R"("Ġ a")").encode_with_offsets("a  a");
  EXPECT_EQ(encoding.ids, (Ids{2, 1, 2}));
  EXPECT_EQ(encoding.offsets, (Offsets{{0, 1}, {2, 2}, {3, 4}}));
}

TEST(Tokenizer, TemplatesSurroundTheText) {
  const Tokenizer tokenizer = make(added("<s>") + R"(, "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "<s>", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [9], "tokens": ["<s>"]}}})");
  EXPECT_EQ(tokenizer.encode("c"), (Ids{9, 4, 9}));
  EXPECT_EQ(tokenizer.encode("c", false), (Ids{4}));
  EXPECT_EQ(tokenizer.encode("c<s>"), (Ids{9, 4, 9, 9}));
  EXPECT_EQ(tokenizer.decode(Ids{9, 4, 0}), "c a");
  EXPECT_EQ(tokenizer.decode(Ids{9, 4, 0}, false), "<s> c a");
  EXPECT_TRUE(tokenizer.is_special(9));
  EXPECT_FALSE(tokenizer.is_special(4));
  EXPECT_EQ(tokenizer.vocab_size(), 10);
  EXPECT_EQ(tokenizer.token_to_id("<s>"), 9);
  EXPECT_EQ(tokenizer.id_to_token(7), std::nullopt);
  EXPECT_EQ(tokenizer.decode(Ids{-1, 7, 4, 1 << 30}), "c");
}

TEST(Tokenizer, PreTokenizersCutWhereTheyShould) {
  const auto pieces = [](const std::string& step, const std::string& text) {
    // With every piece in the vocabulary as itself, tokens are pieces.
    const Tokenizer tokenizer =
        make(R"("pre_tokenizer": )" + step, R"("unk_token": "UNK", "fuse_unk": true)", R"("UNK": 0)", "");
    std::string cut;
    for (const auto& [begin, end] : tokenizer.encode_with_offsets(text).offsets) {
      if (!cut.empty()) cut += '|';
      cut += text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    }
    return cut;
  };
  const auto split = [](const std::string& behavior, bool invert = false) {
    return R"({"type": "Split", "pattern": {"String": "-"}, "behavior": ")" + behavior + R"(", "invert": )" +
           (invert ? "true}" : "false}");
  };
  EXPECT_EQ(pieces(split("Removed"), "the-final--countdown"), "the|final|countdown");
  EXPECT_EQ(pieces(split("Isolated"), "the-final--countdown"), "the|-|final|-|-|countdown");
  EXPECT_EQ(pieces(split("MergedWithPrevious"), "the-final--countdown"), "the-|final-|-|countdown");
  EXPECT_EQ(pieces(split("MergedWithNext"), "the-final--countdown"), "the|-final|-|-countdown");
  EXPECT_EQ(pieces(split("Contiguous"), "the-final--countdown"), "the|-|final|--|countdown");
  EXPECT_EQ(pieces(split("Removed", true), "the-final--countdown"), "-|-|-");
  EXPECT_EQ(pieces(R"({"type": "Digits", "individual_digits": true})", "ab12c"), "ab|1|2|c");
  EXPECT_EQ(pieces(R"({"type": "Digits", "individual_digits": false})", "ab12c"), "ab|12|c");
  EXPECT_EQ(pieces(R"({"type": "Punctuation"})", "a!?b"), "a|!|?|b");
  EXPECT_EQ(pieces(R"({"type": "Whitespace"})", " a_1 !?b "), "a_1|!?|b");
  EXPECT_EQ(pieces(R"({"type": "WhitespaceSplit"})", " a_1 !?b "), "a_1|!?b");
  EXPECT_EQ(pieces(R"({"type": "Split", "pattern": {"Regex": "x*"}, "behavior": "Isolated", "invert": false})", "axxb"),
            "a|xx|b");
}

TEST(Tokenizer, MetaspaceMarksTheFirstWord) {
  const auto ids = [](const std::string& scheme, const std::string& text) {
    return make(added("<s>") + R"(, "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": ")" +
                    scheme + R"(", "split": false})",
                "", R"("_": 0, "a": 1)", "")
        .encode(text);
  };
  EXPECT_EQ(ids("first", "a<s>a"), (Ids{0, 1, 9, 1}));
  EXPECT_EQ(ids("first", "<s>a"), (Ids{9, 1}));
  EXPECT_EQ(ids("always", "a<s>a"), (Ids{0, 1, 9, 0, 1}));
  EXPECT_EQ(ids("always", " a<s>_a"), (Ids{0, 1, 9, 0, 1}));
  EXPECT_EQ(ids("never", "a a"), (Ids{1, 0, 1}));
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  for (const char* text : {"ab\xff", "ab\xc0\x80", "ab\xed\xa0\x80", "ab\xf4\x90\x80\x80", "ab\xe2\x82"}) {
    expect_error(ErrorKind::invalid_argument, "byte 2", [&] { (void)make().encode(text); });
  }
}

TEST(Tokenizer, RefusesBrokenFilesNamingTheField) {
  const auto refused = [](ErrorKind kind, const std::string& part, const std::string& json) {
    expect_error(kind, part, [&] { (void)Tokenizer::from_json(json, "f.json"); });
  };
  const auto model = [](const std::string& rest) { return R"({"model": {"type": "BPE", )" + rest + "}}"; };
  refused(ErrorKind::corrupt, "f.json: not valid JSON", "{");
  refused(ErrorKind::limit, "f.json", std::string(100, '[') + std::string(100, ']'));
  refused(ErrorKind::corrupt, "f.json: model", "{}");
  refused(ErrorKind::unsupported, "\"Unigram\"", R"({"model": {"type": "Unigram", "vocab": {}, "merges": []}})");
  refused(ErrorKind::unsupported, "dropout", model(R"("dropout": 0.1, "vocab": {}, "merges": [])"));
  refused(ErrorKind::corrupt, "model.vocab", model(R"("vocab": {"a": -1}, "merges": [])"));
  refused(ErrorKind::corrupt, "model.vocab", model(R"("vocab": {"a": "0"}, "merges": [])"));
  refused(ErrorKind::limit, "2^24", model(R"("vocab": {"a": 16777216}, "merges": [])"));
  refused(ErrorKind::corrupt, "twice", model(R"("vocab": {"a": 0, "a": 1}, "merges": [])"));
  refused(ErrorKind::corrupt, "id 0", model(R"("vocab": {"a": 0, "b": 0}, "merges": [])"));
  refused(ErrorKind::corrupt, "merges[0]: \"ab\"", model(R"("vocab": {"a": 0, "b": 1}, "merges": ["a b"])"));
  refused(ErrorKind::corrupt, "merges[0]: \"c\"", model(R"("vocab": {"a": 0, "ac": 1}, "merges": ["a c"])"));
  refused(ErrorKind::corrupt, "merges[0]", model(R"("vocab": {"a": 0}, "merges": ["aa"])"));
  refused(ErrorKind::corrupt, "merges[0]", model(R"("vocab": {"a": 0}, "merges": [["a"]])"));
  const std::string good = R"("model": {"vocab": {"a": 0}, "merges": []})";
  const auto with = [&](const std::string& fields) { return "{" + fields + ", " + good + "}"; };
  refused(ErrorKind::corrupt, "added_tokens[0]", with(R"("added_tokens": [{"id": 1, "content": "a"}])"));
  refused(ErrorKind::corrupt, "added_tokens[0].id", with(R"("added_tokens": [{"id": -1, "content": "b"}])"));
  refused(ErrorKind::corrupt, "added_tokens[1]",
          with(R"("added_tokens": [{"id": 1, "content": "b"}, {"id": 1, "content": "c"}])"));
  for (const std::string field : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    refused(ErrorKind::unsupported, "f.json: " + field, with('"' + field + R"(": {"type": "Other"})"));
  }
  refused(
      ErrorKind::unsupported, "pre_tokenizer.pattern.Regex",
      with(
          R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false})"));
}

TEST(Tokenizer, HostileExpressionsEndInAnError) {
  const Tokenizer tokenizer = make(
      R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": false})");
  expect_error(ErrorKind::limit, "too many steps", [&] { (void)tokenizer.encode(std::string(64, 'a') + "b"); });
}

TEST(Tokenizer, HostileReplacementsEndInAnError) {
  std::string steps;
  for (int i = 0; i < 40; ++i) {
    steps += (i == 0 ? "" : ",") + std::string(R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})");
  }
  expect_error(ErrorKind::limit, "bytes", [&] {
    (void)make(R"("normalizer": {"type": "Sequence", "normalizers": [)" + steps + "]}").encode("a");
  });
  expect_error(ErrorKind::limit, "bytes",
               [&] { (void)make(R"("decoder": {"type": "Sequence", "decoders": [)" + steps + "]}").decode(Ids{0}); });
}

TEST(Tokenizer, ManyThreadsMayUseOne) {
  const Tokenizer tokenizer = make(R"("pre_tokenizer": {"type": "Whitespace"})");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "ab ba ";
  const Ids expected = tokenizer.encode(text);
  std::vector<Ids> results(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& result : results) threads.emplace_back([&] { result = tokenizer.encode(text); });
  }
  for (const Ids& result : results) EXPECT_EQ(result, expected);
}

TEST(Tokenizer, MissingFilesAreNamed) {
  expect_error(ErrorKind::not_found, "/no/such/tokenizer.json",
               [] { (void)Tokenizer::from_file("/no/such/tokenizer.json"); });
}

/// The file in place of the page's end decides whether it is parsed where it lies or copied.
TEST(Tokenizer, FilesOfEverySizeLoad) {
  const auto path = std::filesystem::path(testing::TempDir()) / "tokenizer_sizes.json";
  const std::string json = R"({"model": {"vocab": {"a": 0}, "merges": []}})";
  for (const std::size_t size :
       {std::size_t{4031}, std::size_t{4033}, std::size_t{4095}, std::size_t{4096}, std::size_t{4097}}) {
    std::ofstream(path) << json << std::string(size - json.size(), ' ');
    EXPECT_EQ(Tokenizer::from_file(path).encode("a"), (Ids{0})) << size;
  }
  std::filesystem::remove(path);
}

RC_GTEST_PROP(StreamingDecoder, EqualsDecodeAndNeverSplitsACharacter, ()) {
  static const Tokenizer tokenizers[] = {
      make(R"("decoder": {"type": "ByteLevel"})", "",
           R"("a": 0, "Ã": 1, "©": 2, "ð": 3, "Ł": 4, "ĺ": 5, "Ģ": 6, "é": 7)", ""),
      make(R"("decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "_"},
              "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
              {"type": "Strip", "content": " ", "start": 1, "stop": 2}]})",
           "", R"("a": 0, "_": 1, "<0xC3>": 2, "<0xA9>": 3, "__": 4, "_é_": 5, "<0xFF>": 6, "": 7)", ""),
      make(R"("decoder": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always"})", "",
           R"("a": 0, "_": 1, "_a_": 2, "é": 3, "": 4, "__": 5, "b": 6, "c": 7)", ""),
      make("", "", R"("a": 0, "": 1, "é": 2, "d": 3, "e": 4, "f": 5, "b": 6, "c": 7)", "")};
  const auto* tokenizer = *rc::gen::elementOf(
      std::vector<const Tokenizer*>{&tokenizers[0], &tokenizers[1], &tokenizers[2], &tokenizers[3]});
  const auto ids = *rc::gen::container<Ids>(rc::gen::inRange(0, 9));
  StreamingDecoder decoder(*tokenizer);
  for (int round = 0; round < 2; ++round) {
    std::string text;
    for (const auto id : ids) {
      const std::string piece = decoder.push(id);
      RC_ASSERT(Json(piece).dump().size() > 0);  // throws when the piece is not UTF-8
      text += piece;
    }
    text += decoder.flush();
    RC_ASSERT(text == tokenizer->decode(ids));
  }
}

}  // namespace
}  // namespace bitnet
