#include "text/jinja/operations.h"

#include <cmath>
#include <cstring>

#include "text/jinja/print.h"

namespace bitnet::jinja {
namespace {

[[noreturn]] void unsupported(Machine& machine, const Value& a, const Value& b, std::string_view op) {
  for (const Value* v : {&a, &b}) {
    if (v->undefined()) machine.raise("{}", v->undefined()->message);
  }
  machine.raise("unsupported operand type(s) for {}: '{}' and '{}'", op == "**" ? "** or pow()" : op, type_name(a),
                type_name(b));
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t q = a / b;
  return q - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

double float_modulo(double a, double b) {
  const double r = std::fmod(a, b);
  if (r != 0 && (r < 0) != (b < 0)) return r + b;
  return r == 0 ? std::copysign(0.0, b) : r;
}

Value integer_power(Machine& machine, std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) machine.raise("0.0 cannot be raised to a negative power");
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  if (base == 0 || base == 1) return exponent == 0 ? std::int64_t{1} : base;
  if (base == -1) return std::int64_t{exponent % 2 == 0 ? 1 : -1};
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) machine.overflow();
  }
  return result;
}

Value integer_arithmetic(Machine& machine, std::int64_t a, std::int64_t b, std::string_view op) {
  std::int64_t result = 0;
  bool over = false;
  if (op == "+") {
    over = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    over = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    over = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    return integer_power(machine, a, b);
  } else if (b == 0) {
    machine.raise("{}", op == "/"   ? "division by zero"
                        : op == "%" ? "integer modulo by zero"
                                    : "integer division or modulo by zero");
  } else if (op == "/") {
    return static_cast<double>(a) / static_cast<double>(b);
  } else if (b == -1) {  // the one divisor whose quotient can overflow
    over = __builtin_sub_overflow(std::int64_t{0}, a, &result);
    if (op == "%") return 0;
  } else {
    result = op == "//" ? floor_divide(a, b) : a - floor_divide(a, b) * b;
  }
  if (over) machine.overflow();
  return result;
}

Value float_arithmetic(Machine& machine, double a, double b, std::string_view op) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") {
    if (a == 0 && b < 0) machine.raise("0.0 cannot be raised to a negative power");
    if (a < 0 && std::floor(b) != b) machine.raise("complex numbers are not supported");
    const double result = std::pow(a, b);
    if (std::isinf(result) && !std::isinf(a) && !std::isinf(b)) machine.raise("(34, 'Numerical result out of range')");
    return result;
  }
  if (b == 0)
    machine.raise("{}", op == "/"   ? "float division by zero"
                        : op == "%" ? "float modulo"
                                    : "float floor division by zero");
  if (op == "/") return a / b;
  if (op == "%") return float_modulo(a, b);
  return std::floor((a - float_modulo(a, b)) / b + 0.5);  // the quotient is whole up to rounding
}

Value repeat(Machine& machine, const Value& sequence, std::int64_t count) {
  if (const String* string = sequence.string()) {
    TextBuilder out(machine);
    out.add_repeated(string->text, count);
    return out.finish();
  }
  const List& list = *sequence.list();
  if (count > 0) {
    machine.check_memory(static_cast<std::size_t>(
        std::min(static_cast<double>(count) * static_cast<double>(list.items.size()) * sizeof(Value), 1e18)));
  }
  ListBuilder out(machine);
  for (std::int64_t i = 0; i < count; ++i) {
    machine.step();
    if (list.items.empty()) break;
    for (const Value& item : list.items) out.add(item);
  }
  return out.finish(list.kind);
}

Value concatenate(Machine& machine, const Value& a, const Value& b) {
  if (a.string() && b.string()) {
    const bool markup = a.string()->markup || b.string()->markup;
    TextBuilder out(machine);
    out.add(markup ? escaped(machine, a).string()->text : a.string()->text);
    out.add(markup ? escaped(machine, b).string()->text : b.string()->text);
    return markup ? machine.text(out.take(), true) : out.finish();
  }
  const List* x = a.list();
  const List* y = b.list();
  if (x && y && x->kind == y->kind && (x->kind == ListKind::list || x->kind == ListKind::tuple)) {
    ListBuilder out(machine);
    for (const List* list : {x, y}) {
      for (const Value& item : list->items) out.add(item);
    }
    return out.finish(x->kind);
  }
  if (b.undefined()) machine.raise("{}", b.undefined()->message);
  if (a.string() || (x && (x->kind == ListKind::list || x->kind == ListKind::tuple))) {
    machine.raise("can only concatenate {} (not \"{}\") to {}", type_name(a), type_name(b), type_name(a));
  }
  unsupported(machine, a, b, "+");
}

std::partial_ordering order_numbers(const Value& a, const Value& b) {
  const auto x = as_integer(a);
  const auto y = as_integer(b);
  if (x && y) return *x <=> *y;
  // long double holds every int64 and every double exactly on x86, so 2**53 + 1 and its float stay apart.
  const auto wide = [](const Value& v, std::optional<std::int64_t> i) {
    return i ? static_cast<long double>(*i) : static_cast<long double>(*v.real());
  };
  return wide(a, x) <=> wide(b, y);
}

/// Equality and order of sequences both depend on the first items that differ.
std::partial_ordering order(Machine& machine, const Value& a, const Value& b, std::string_view op) {
  machine.step();
  if (as_number(a) && as_number(b)) return order_numbers(a, b);
  if (a.string() && b.string()) {
    machine.step_bytes(std::min(a.string()->text.size(), b.string()->text.size()));
    return a.string()->text.compare(b.string()->text) <=> 0;  // UTF-8 sorts as its code points
  }
  const List* x = a.list();
  const List* y = b.list();
  if (x && y && x->kind == y->kind && (x->kind == ListKind::list || x->kind == ListKind::tuple)) {
    const std::size_t common = std::min(x->items.size(), y->items.size());
    for (std::size_t i = 0; i < common; ++i) {
      if (!equal(machine, x->items[i], y->items[i])) return order(machine, x->items[i], y->items[i], op);
    }
    return x->items.size() <=> y->items.size();
  }
  for (const Value* v : {&a, &b}) {
    if (v->undefined()) machine.raise("{}", v->undefined()->message);
  }
  machine.raise("'{}' not supported between instances of '{}' and '{}'", op, type_name(a), type_name(b));
}

bool equal_dicts(Machine& machine, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(machine, key);
    if (!other || !equal(machine, value, *other)) return false;
  }
  return true;
}

}  // namespace

std::string_view type_name(const Value& value) {
  if (value.is_none()) return "NoneType";
  if (value.boolean()) return "bool";
  if (value.integer()) return "int";
  if (value.real()) return "float";
  if (const String* string = value.string()) return string->markup ? "Markup" : "str";
  if (value.dict()) return "dict";
  if (value.object()) return value.object()->type_name();
  if (const List* list = value.list()) {
    constexpr std::string_view kNames[] = {"list", "tuple", "range", "dict_keys", "dict_values", "dict_items"};
    return kNames[static_cast<int>(list->kind)];
  }
  return "Undefined";
}

bool truth(const Value& value) {
  if (const bool* b = value.boolean()) return *b;
  if (const auto* i = value.integer()) return *i != 0;
  if (const double* d = value.real()) return *d != 0;
  if (const String* string = value.string()) return !string->text.empty();
  if (const List* list = value.list()) return !list->items.empty();
  if (const Dict* dict = value.dict()) return !dict->entries.empty();
  return value.object() != nullptr;
}

bool equal(Machine& machine, const Value& a, const Value& b) {
  machine.step();
  if (as_number(a) && as_number(b)) return order_numbers(a, b) == 0;
  if (a.variant().index() != b.variant().index()) return false;
  if (a.string()) {
    if (a.string()->text.size() != b.string()->text.size()) return false;
    machine.step_bytes(a.string()->text.size());
    return a.string()->text == b.string()->text;
  }
  if (const List* x = a.list()) {
    const List* y = b.list();
    if (x == y) return true;
    if (x->kind != y->kind || x->items.size() != y->items.size()) return false;
    for (std::size_t i = 0; i < x->items.size(); ++i) {
      if (!equal(machine, x->items[i], y->items[i])) return false;
    }
    return true;
  }
  if (a.dict()) return a.dict() == b.dict() || equal_dicts(machine, *a.dict(), *b.dict());
  return a.object() == b.object();
}

bool ordered(Machine& machine, const Value& a, const Value& b, std::string_view op) {
  const auto result = order(machine, a, b, op);
  if (op == "<") return result < 0;
  if (op == "<=") return result <= 0;
  return op == ">" ? result > 0 : result >= 0;
}

bool less(Machine& machine, const Value& a, const Value& b) { return order(machine, a, b, "<") < 0; }

bool contains(Machine& machine, const Value& container, const Value& item) {
  if (const String* string = container.string()) {
    if (item.undefined()) machine.raise("'in <string>' requires string as left operand, not Undefined");
    if (!item.string()) {
      machine.raise("'in <string>' requires string as left operand, not {}", type_name(item));
    }
    machine.step_bytes(string->text.size());
    return find_text(string->text, item.string()->text) != std::string_view::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (!hashable(machine, item)) machine.raise("unhashable type: '{}'", type_name(item));
    return dict->find(machine, item) != nullptr;
  }
  if (!is_iterable(container)) machine.raise("argument of type '{}' is not iterable", type_name(container));
  Cursor cursor(machine, container);
  for (Value other; cursor.next(other);) {
    if (equal(machine, other, item)) return true;
  }
  return false;
}

bool compare(Machine& machine, const Value& a, const Value& b, std::string_view op) {
  if (op == "==") return equal(machine, a, b);
  if (op == "!=") return !equal(machine, a, b);
  if (op == "in") return contains(machine, b, a);
  if (op == "not in") return !contains(machine, b, a);
  return ordered(machine, a, b, op);
}

Value arithmetic(Machine& machine, const Value& a, const Value& b, std::string_view op) {
  const auto x = as_integer(a);
  const auto y = as_integer(b);
  if (x && y) return integer_arithmetic(machine, *x, *y, op);
  const auto u = as_number(a);
  const auto v = as_number(b);
  if (u && v) return float_arithmetic(machine, *u, *v, op);
  if (op == "+") return concatenate(machine, a, b);
  const auto repeatable = [](const Value& s) {
    return s.string() || (s.list() && (s.list()->kind == ListKind::list || s.list()->kind == ListKind::tuple));
  };
  if (op == "*" && repeatable(a) && y) return repeat(machine, a, *y);
  if (op == "*" && repeatable(b) && x) return repeat(machine, b, *x);
  if (op == "%" && a.string()) {
    if (b.undefined()) machine.raise("{}", b.undefined()->message);
    return format_percent(machine, *a.string(), b);
  }
  unsupported(machine, a, b, op);
}

Value negative(Machine& machine, const Value& value) {
  if (const auto i = as_integer(value)) return integer_arithmetic(machine, 0, *i, "-");
  if (const double* d = value.real()) return -*d;
  if (value.undefined()) machine.raise("{}", value.undefined()->message);
  machine.raise("bad operand type for unary -: '{}'", type_name(value));
}

Value positive(Machine& machine, const Value& value) {
  if (const auto i = as_integer(value)) return *i;
  if (value.real()) return value;
  if (value.undefined()) machine.raise("{}", value.undefined()->message);
  machine.raise("bad operand type for unary +: '{}'", type_name(value));
}

std::optional<std::int64_t> as_integer(const Value& value) {
  if (const auto* i = value.integer()) return *i;
  if (const bool* b = value.boolean()) return *b ? 1 : 0;
  return std::nullopt;
}

std::optional<double> as_number(const Value& value) {
  if (const double* d = value.real()) return *d;
  if (const auto i = as_integer(value)) return static_cast<double>(*i);
  return std::nullopt;
}

std::size_t find_text(std::string_view text, std::string_view part, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

Value escaped(Machine& machine, const Value& value) {
  if (value.string() && value.string()->markup) return value;
  TextBuilder out(machine);
  for (const char c : to_text(machine, value)) {
    switch (c) {
      case '&':
        out.add("&amp;");
        break;
      case '<':
        out.add("&lt;");
        break;
      case '>':
        out.add("&gt;");
        break;
      case '"':
        out.add("&#34;");
        break;
      case '\'':
        out.add("&#39;");
        break;
      default:
        out.add(c);
    }
  }
  return machine.text(out.take(), true);
}

}  // namespace bitnet::jinja
