// The language, against what Python's jinja2 3.1 makes of the same templates (tests/golden/jinja), and the errors.
#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "bitnet/error.h"

namespace bitnet::jinja {
namespace {

std::filesystem::path goldens() { return BITNET_SOURCE_DIR "/tests/golden/jinja"; }

TEST(Template, RendersAsPythonDoes) {
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(goldens())) {
    const Json file = read_json_file(entry.path());
    for (const Json& golden : file["cases"]) {
      const std::string source = golden["template"].get<std::string>();
      ++cases;
      try {
        const std::string text = Template(source, "T").render(file["variables"], {}).text;
        if (golden.contains("text")) {
          EXPECT_EQ(text, golden["text"].get<std::string>()) << source;
        } else {
          ADD_FAILURE() << source << "\nexpected the error " << golden["error"] << ", got " << text;
        }
      } catch (const Error& error) {
        if (golden.contains("text")) {
          ADD_FAILURE() << source << "\n" << error.what();
        } else {
          EXPECT_NE(std::string(error.what()).find(golden["error"].get<std::string>()), std::string::npos)
              << source << "\n"
              << error.what() << "\nexpected " << golden["error"];
        }
      }
    }
  }
  EXPECT_GT(cases, 150U);
}

std::string error_of(const std::string& source, ErrorKind kind) {
  try {
    (void)Template(source, "chat_template of tokenizer_config.json").render(Json::object(), {});
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error: " << source;
  return {};
}

TEST(Template, ErrorsNameSourceAndLine) {
  const std::string at3 = "chat_template of tokenizer_config.json, line 3: ";
  EXPECT_EQ(error_of("a\nb\n{{ x.y }}", ErrorKind::invalid_argument), at3 + "'x' is undefined");
  EXPECT_EQ(error_of("a\r\nb\r\n{{ raise_exception('no ' ~ 1) }}", ErrorKind::invalid_argument), at3 + "no 1");
  EXPECT_EQ(error_of("{# \n #}\n{% for x in y %}", ErrorKind::corrupt).rfind(at3, 0), 0U);
  EXPECT_EQ(error_of("{{ 'a\nb'\n}}{{ 1 + }}", ErrorKind::corrupt), at3 + "unexpected 'end of print statement'");
  EXPECT_EQ(error_of("\n{%- if 1 -%}\n  {{ 1|nope }}{% endif %}", ErrorKind::invalid_argument),
            at3 + "No filter named 'nope'.");
  EXPECT_EQ(error_of("\n\n{% include 'x' %}", ErrorKind::unsupported),
            at3 + "the tag 'include' is not supported in chat templates");
}

TEST(Template, GenerationSpansCountCodePoints) {
  const Template t("é{% generation %}日本{% endgeneration %}x{% generation %}{% endgeneration %}", "T");
  const Rendered rendered = t.render(Json::object(), {});
  EXPECT_EQ(rendered.text, "é日本x");
  const std::vector<std::pair<std::size_t, std::size_t>> expected = {{1, 3}, {4, 4}};
  EXPECT_EQ(rendered.generation_spans, expected);
}

TEST(Template, StrftimeNowPrintsTheGivenTime) {
  setenv("TZ", "UTC", 1);
  tzset();
  const auto now = std::chrono::system_clock::from_time_t(1700000000);  // Tuesday, 14 November 2023, 22:13:20
  const auto text = [&](const std::string& format) {
    return Template("{{ strftime_now('" + format + "') }}", "T").render(Json::object(), now).text;
  };
  EXPECT_EQ(text("%d %b %Y"), "14 Nov 2023");
  EXPECT_EQ(text("%Y-%m-%d %H:%M:%S"), "2023-11-14 22:13:20");
  EXPECT_EQ(text("%A, %B %-d %j %f %% é%Z"), "Tuesday, November 14 318 000000 % é");
}

TEST(Template, InvalidUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(Template("a\xff{{ 'b\xc3' }}", "T").render(Json::object(), {}).text, "a\uFFFDb\uFFFD");
}

}  // namespace
}  // namespace bitnet::jinja
