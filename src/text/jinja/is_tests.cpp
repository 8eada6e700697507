// Jinja's "is" tests.
#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"

namespace bitnet::jinja {
namespace {

std::int64_t modulo(Machine& m, const Value& subject, const Value& divisor) {
  const Value rest = arithmetic(m, subject, divisor, "%");
  const auto number = as_number(rest);
  return number && *number == 0 ? 0 : number && *number == 1 ? 1 : 2;
}

/// A test without arguments, from a predicate.
template <bool (*Predicate)(Machine&, const Value&)>
bool plain(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "test", a, {});
  return Predicate(m, subject);
}

bool odd(Machine& m, const Value& v) { return modulo(m, v, 2) == 1; }
bool even(Machine& m, const Value& v) { return modulo(m, v, 2) == 0; }
bool defined(Machine&, const Value& v) { return !v.undefined(); }
bool undefined(Machine&, const Value& v) { return v.undefined() != nullptr; }
bool none(Machine&, const Value& v) { return v.is_none(); }
bool boolean(Machine&, const Value& v) { return v.boolean() != nullptr; }
bool is_true(Machine&, const Value& v) { return v.boolean() && *v.boolean(); }
bool is_false(Machine&, const Value& v) { return v.boolean() && !*v.boolean(); }
bool integer(Machine&, const Value& v) { return v.integer() != nullptr; }
bool real(Machine&, const Value& v) { return v.real() != nullptr; }
bool number(Machine&, const Value& v) { return as_number(v).has_value(); }
bool string(Machine&, const Value& v) { return v.string() != nullptr; }
bool mapping(Machine&, const Value& v) { return v.dict() != nullptr; }
bool iterable(Machine&, const Value& v) { return is_iterable(v); }
bool escaped_text(Machine&, const Value& v) { return v.string() && v.string()->markup; }
bool lower(Machine& m, const Value& v) { return has_case(m, to_text(m, v), false); }
bool upper(Machine& m, const Value& v) { return has_case(m, to_text(m, v), true); }
bool callable(Machine&, const Value& v) { return v.undefined() || (v.object() && v.object()->callable()); }
bool sequence(Machine&, const Value& v) {
  const List* list = v.list();
  return v.undefined() || v.string() || v.dict() ||
         (list && (list->kind == ListKind::list || list->kind == ListKind::tuple || list->kind == ListKind::range));
}
bool is_filter(Machine&, const Value& v) { return v.string() && find_filter(v.string()->text); }
bool is_test(Machine&, const Value& v) { return v.string() && find_test(v.string()->text); }

bool divisible_by(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "test_divisibleby", a, {"num"}, 1);
  return modulo(m, subject, b[0]) == 0;
}

bool same_as(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "test_sameas", a, {"other"}, 1);
  if (subject.variant().index() != b[0].variant().index()) return false;
  if (subject.list()) return subject.list() == b[0].list();
  if (subject.dict()) return subject.dict() == b[0].dict();
  if (subject.undefined()) return subject.undefined() == b[0].undefined();
  return equal(m, subject, b[0]);
}

/// `subject OP argument`; the operator's spelling is the template parameter, a static array of it.
template <const char* Op>
bool comparison(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "comparison", a, {"other"}, 1);
  return compare(m, subject, b[0], Op);
}

constexpr char kEq[] = "==", kNe[] = "!=", kGt[] = ">", kGe[] = ">=", kLt[] = "<", kLe[] = "<=", kIn[] = "in";

constexpr Named<Test> kTests[] = {
    {"odd", plain<odd>},
    {"even", plain<even>},
    {"divisibleby", divisible_by},
    {"defined", plain<defined>},
    {"undefined", plain<undefined>},
    {"filter", plain<is_filter>},
    {"test", plain<is_test>},
    {"none", plain<none>},
    {"boolean", plain<boolean>},
    {"false", plain<is_false>},
    {"true", plain<is_true>},
    {"integer", plain<integer>},
    {"float", plain<real>},
    {"lower", plain<lower>},
    {"upper", plain<upper>},
    {"string", plain<string>},
    {"mapping", plain<mapping>},
    {"number", plain<number>},
    {"sequence", plain<sequence>},
    {"iterable", plain<iterable>},
    {"callable", plain<callable>},
    {"sameas", same_as},
    {"escaped", plain<escaped_text>},
    {"in", comparison<kIn>},
    {"==", comparison<kEq>},
    {"eq", comparison<kEq>},
    {"equalto", comparison<kEq>},
    {"!=", comparison<kNe>},
    {"ne", comparison<kNe>},
    {">", comparison<kGt>},
    {"gt", comparison<kGt>},
    {"greaterthan", comparison<kGt>},
    {"ge", comparison<kGe>},
    {">=", comparison<kGe>},
    {"<", comparison<kLt>},
    {"lt", comparison<kLt>},
    {"lessthan", comparison<kLt>},
    {"<=", comparison<kLe>},
    {"le", comparison<kLe>},
};

}  // namespace

Test find_test(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const auto& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found->function;
}

}  // namespace bitnet::jinja
