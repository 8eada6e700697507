#include "base/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <span>
#include <string>

#include "base/text_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet {
namespace {

using testing_support::expect_error;

TEST(Json, ReadsEveryKindOfValueInOrder) {
  const std::string text =
      R"({"z":null,"a":[true,false,-7,18446744073709551615,1.5,"\u00e9\n"],"empty":{},"none":[],"m":{"b":1,"a":[[2]]}})";
  const Json json = parse_json(text, "test");
  EXPECT_EQ(json.dump(), R"({"z":null,"a":[true,false,-7,18446744073709551615,1.5,"é\n"],"empty":{},"none":[],)"
                         R"("m":{"b":1,"a":[[2]]}})");
  EXPECT_EQ(parse_json(" 5 ", "test"), Json(5));
}

RC_GTEST_PROP(Json, ReadsWhatTheLibraryPrints, ()) {
  Json json = Json::object();
  for (const auto& [key, value] : *rc::gen::arbitrary<std::map<std::uint16_t, std::vector<int>>>()) {
    json[std::to_string(key)] = Json{{"values", value}, {"text", std::to_string(key) + "\"\\\t"}};
  }
  RC_ASSERT(parse_json(json.dump(), "test") == json);
}

TEST(Json, NamesLineAndColumnOfAnError) {
  struct Case {
    const char* text;
    const char* where;
  };
  for (const Case& bad : {Case{"", "line 1, column 0"}, Case{"{\n  \"a\": 1,\n  b\n}", "line 3, column 3"},
                          Case{"[1, 2,, 3]", "line 1, column 7"}, Case{"[1]\n]", "line 2, column 1"},
                          Case{"[\"\xff\"]", "line 1, column 3"}, Case{"[1e999]", "line 1, column"}}) {
    expect_error(ErrorKind::corrupt, {"config.json", bad.where}, [&] { (void)parse_json(bad.text, "config.json"); });
  }
}

TEST(Json, BoundsNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_NO_THROW((void)parse_json(nested(64), "test"));
  expect_error(ErrorKind::limit, {"test", "64"}, [&] { (void)parse_json(nested(65), "test"); });
  expect_error(ErrorKind::limit, {"test", "64"}, [&] { (void)parse_json(std::string(1'000'000, '['), "test"); });
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  expect_error(ErrorKind::limit, {"test", "64"}, [&] { (void)parse_json(objects, "test"); });
}

TEST(Json, RefusesAKeyThatComesTwice) {
  expect_error(ErrorKind::corrupt, {"test", "\"b\"", "twice"},
               [] { (void)parse_json(R"({"x":{"b":1,"a":2,"b":3}})", "test"); });
  EXPECT_NO_THROW((void)parse_json(R"([{"a":1},{"a":2,"b":{"a":3}}])", "test"));
}

TEST(Json, ReadsAnObjectOfAHundredThousandKeys) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += "\"key " + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text.back() = '}';
  const Json json = parse_json(text, "vocabulary");
  EXPECT_EQ(json.size(), 100'000U);
  EXPECT_EQ(json.at("key 99999"), 99'999);
}

TEST(Json, FileErrorsNameTheFile) {
  const testing_support::TemporaryFolder folder;
  const auto path = folder.path() / "bad.json";
  write_file_atomically(path, std::as_bytes(std::span(std::string_view("{"))));
  expect_error(ErrorKind::corrupt, {path.string(), "line 1"}, [&] { (void)read_json_file(path); });
  expect_error(ErrorKind::not_found, {"none.json"}, [&] { (void)read_json_file(folder.path() / "none.json"); });
}

}  // namespace
}  // namespace bitnet
