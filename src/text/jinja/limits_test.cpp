// A template is a stranger's program: whatever it does, it ends soon, in an error that names its line.
#include <gtest/gtest.h>

#include "bitnet/error.h"
#include "text/jinja/template.h"

namespace bitnet::jinja {
namespace {

ErrorKind outcome(const std::string& source, std::string* message = nullptr) {
  try {
    (void)Template(source, "T").render(Json::object(), {});
  } catch (const Error& error) {
    if (message) *message = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "rendered: " << source.substr(0, 200);
  return ErrorKind::io;
}

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

const std::string kDouble = "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ";
const std::string kGrow = "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = ";

const std::vector<std::string> kTemplates = {

    // time
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{% set x = range(99999)|list %}{% endfor %}",
    "{% set b = 'a' * 10000000 %}{% for a in range(99999) %}{% if 'ab' in b %}{% endif %}{% endfor %}",
    "{% set b = 'a' * 10000000 %}{% for a in range(99999) %}{{ b.find('b') }}{% endfor %}",
    "{% set b = 'a' * 10000000 %}{{ b.rfind('b' ~ 'a' * 5000000) }}{{ b.rfind('ab' ~ 'a' * 100000) }}"
    "{% for a in range(99999) %}{{ b.rfind('ab') }}{% endfor %}",
    "{% set x = (1, 2) %}" + repeated("{% set x = (x, x) %}", 60) + "{{ x == 1 }}{{ {x: 1} }}",
    "{% set x = [1] %}" + repeated("{% set x = [x, x] %}", 60) + "{% set y = [1] %}" +
        repeated("{% set y = [y, y] %}", 60) + "{{ x == y }}",
    // memory
    kDouble + "ns.x ~ ns.x %}{% endfor %}", kDouble + "ns.x + ns.x %}{% endfor %}",
    kDouble + "ns.x.replace('', ns.x) %}{% endfor %}", kDouble + "ns.x|join(ns.x) %}{% endfor %}",
    kDouble + "ns.x ~ ns.x|e %}{% endfor %}", kDouble + "[ns.x, ns.x]|string %}{% endfor %}",
    kDouble + "[ns.x, ns.x]|tojson %}{% endfor %}", kDouble + "'%s%s' % (ns.x, ns.x) %}{% endfor %}",
    kDouble + "'{0}{0}'.format(ns.x) %}{% endfor %}", kDouble + "ns.x|urlencode ~ ns.x %}{% endfor %}",
    kDouble + "ns.x|indent(10000, true) ~ ns.x %}{% endfor %}", "{{ 'a' * 10**9 }}", "{{ [1] * 10**9 }}",
    "{{ '%999999999d' | format(1) }}", "{{ '%.999999999f' | format(1) }}", "{{ '%*d' % (10**9, 1) }}",
    "{{ '{:999999999}'.format(1) }}", "{{ '{:.999999999f}'.format(1.0) }}", "{{ 'a'|center(10**9) }}",
    "{{ 'a'.ljust(10**9) }}", "{{ 'a'.zfill(10**9) }}", "{{ 'a\nb'|indent(10**9) }}", "{{ [1]|tojson(indent=10**9) }}",
    "{{ [1]|batch(10**9, 'x')|list }}", "{{ [1]|slice(10**9)|list }}", "{{ '\t'.expandtabs(10**9) }}",
    "{{ range(10**9) }}", "{% for a in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
    kGrow + "ns.x + range(50000)|list %}{% endfor %}", kGrow + "[ns.x] %}{% endfor %}",
    kGrow + "{'a': ns.x} %}{% endfor %}", kGrow + "ns.x|map('upper') %}{% endfor %}{{ ns.x|list }}",
    kGrow + "[1]|map('default', ns.x) %}{% endfor %}", kGrow + "[ns.x].index %}{% endfor %}",
    kGrow + "joiner(ns.x) %}{% endfor %}",
    "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.x = namespace(y=ns.x) %}"
    "{% for j in range(5) %}{% set ns.x = namespace(y=ns.x) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(x=[0]) %}{% for a in range(99999) %}{% for b in [ns.x] %}{% set ns.x = [loop] %}"
    "{% endfor %}{% endfor %}",
    // depth
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% call m() %}{% endcall %}{% endmacro %}{% call m() %}{% endcall %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
    "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x }}",
    "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}",
    "{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}", "{{ " + repeated("-", 100000) + "1 }}",
    "{{ " + repeated("not ", 100000) + "1 }}", "{{ 1" + repeated("+1", 100000) + " }}",
    "{{ x" + repeated(".x", 100000) + " }}", "{{ x" + repeated("|list", 100000) + " }}",
    "{{ x" + repeated("[0:1]", 100000) + " }}", "{{ x" + repeated("()", 100000) + " }}",
    "{{ 1" + repeated(" if 1 else 1", 100000) + " }}", repeated("{% if 1 %}", 100000),
    repeated("{% for x in y %}", 100000),
    // numbers
    "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 9223372036854775807 * 2 }}", "{{ 10**30 }}",
    "{{ 2**10**9 }}", "{{ 99999999999999999999 }}", "{{ '99999999999999999999'|int }}", "{{ 1e300|int }}",
    "{{ -(-9223372036854775807 - 1) }}", "{{ (-9223372036854775807 - 1)|abs }}",
    "{{ (-9223372036854775807 - 1) // -1 }}"};

/// The number of a template: a test that has the text for its parameter spends seconds on printing it.
class Hostile : public testing::TestWithParam<std::size_t> {};

TEST_P(Hostile, EndsAtALimit) {
  const std::string& source = kTemplates[GetParam()];
  std::string message;
  EXPECT_EQ(outcome(source, &message), ErrorKind::limit) << source.substr(0, 200) << "\n" << message;
  EXPECT_EQ(message.rfind("T, line ", 0), 0U) << message;
}

INSTANTIATE_TEST_SUITE_P(Templates, Hostile, testing::Range(std::size_t{0}, kTemplates.size()));

TEST(Bounds, HarmlessExtremesAreNoErrors) {
  const auto text = [](const std::string& source) { return Template(source, "T").render(Json::object(), {}).text; };
  EXPECT_EQ(text("{{ (-9223372036854775807 - 1) % -1 }}"), "0");
  EXPECT_EQ(text("{{ 'abc'[-9223372036854775807:9223372036854775807:9223372036854775807] }}"), "a");
  EXPECT_EQ(text("{{ 'abc'|truncate(9223372036854775807) }}"), "abc");
  EXPECT_EQ(text("{% for i in range(100000) %}{% set x = namespace(a=loop) %}{% if loop.last %}{{ i }}{% endif %}"
                 "{% endfor %}"),
            "99999");
}

TEST(Bounds, CirclesAreFreed) {  // the leak sanitizer watches
  const auto text = [](const std::string& source) { return Template(source, "T").render(Json::object(), {}).text; };
  EXPECT_EQ(text("{% set ns = namespace() %}{% set ns.x = [ns] %}ok"), "ok");
  EXPECT_EQ(text("{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}"), "True");
  EXPECT_EQ(text("{% set ns = namespace() %}{% for x in [ns, ns]|map(attribute='l') %}{% set ns.l = loop %}"
                 "{{ loop.last }}{% endfor %}"),
            "FalseTrue");
  EXPECT_EQ(text("{% set ns = namespace() %}{% macro m() %}{{ ns }}{% endmacro %}{% set ns.m = m %}ok"), "ok");
  EXPECT_EQ(outcome("{% for x in [1] %}{{ loop.changed([loop]) }}{{ raise_exception('x') }}{% endfor %}"),
            ErrorKind::invalid_argument);
}

TEST(Bounds, AGeneratorCannotRunInsideItself) {
  std::string message;
  EXPECT_EQ(outcome("{% set ns = namespace() %}{% set ns.g = [ns]|map(attribute='g')|map('list') %}{{ ns.g|list }}",
                    &message),
            ErrorKind::invalid_argument);
  EXPECT_NE(message.find("already executing"), std::string::npos) << message;
}

}  // namespace
}  // namespace bitnet::jinja
