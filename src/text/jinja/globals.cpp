// The functions that every template can call.
#include <algorithm>
#include <ctime>

#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"

namespace bitnet::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // the sandbox's own bound

Value make_range(Machine& m, Arguments& a) {
  if (a.positional.empty()) m.raise("range expected at least 1 argument, got 0");
  const Bound b(m, "range", a, {"start", "stop", "step"}, 1);
  const bool one = !b.given(1);
  auto range = std::make_shared<List>();
  range->kind = ListKind::range;
  range->start = one ? 0 : b.integer(0, 0);
  range->stop = b.integer(one ? 0 : 1, 0);
  range->step = b.integer(2, 1);
  if (range->step == 0) m.raise("range() arg 3 must not be zero");
  const auto distance = static_cast<long double>(range->stop) - static_cast<long double>(range->start);
  const long double count = distance / static_cast<long double>(range->step);
  if (count > kMaxRange) {
    m.raise_text(ErrorKind::limit,
                 fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
  }
  for (std::int64_t i = range->start; range->step > 0 ? i < range->stop : i > range->stop;) {
    m.step();
    range->charge.add(m, 2 * sizeof(Value));
    range->items.emplace_back(i);
    if (__builtin_add_overflow(i, range->step, &i)) break;
  }
  return std::shared_ptr<const List>(std::move(range));
}

/// What dict() and namespace() start from: a mapping or pairs, then the named arguments.
template <typename Set>
void for_each_entry(Machine& m, const Arguments& a, const Set& set) {
  if (a.positional.size() > 1) m.raise("dict expected at most 1 argument, got {}", a.positional.size());
  if (!a.positional.empty()) {
    const Value& source = a.positional[0];
    if (source.undefined()) m.raise("{}", source.undefined()->message);
    if (const Dict* dict = source.dict()) {
      for (const auto& [key, value] : dict->entries) set(key, value);
    } else {
      Cursor cursor(m, source);
      for (Value pair; cursor.next(pair);) {
        Cursor items(m, pair);
        Value key;
        Value value;
        Value rest;
        if (!items.next(key) || !items.next(value) || items.next(rest)) {
          m.raise("dictionary update sequence element has a length that is not 2");
        }
        set(key, value);
      }
    }
  }
  for (const auto& [name, value] : a.named) set(m.text(name), value);
}

Value make_dict(Machine& m, Arguments& a) {
  DictBuilder out(m);
  for_each_entry(m, a, [&](const Value& key, const Value& value) { out.set(key, value); });
  return out.finish();
}

Value make_namespace(Machine& m, Arguments& a) {
  auto made = std::make_shared<Namespace>();
  made->charge.add(m, 192);
  m.hold(made);
  for_each_entry(m, a, [&](const Value& key, const Value& value) { made->set(m, to_text(m, key), value); });
  return std::shared_ptr<Object>(std::move(made));
}

Value raise_exception(Machine& m, Arguments& a) {
  const Bound b(m, "raise_exception", a, {"message"}, 1);
  m.raise("{}", to_text(m, b[0]));
}

Value strftime_now(Machine& m, Arguments& a) {
  const Bound b(m, "strftime_now", a, {"format"}, 1);
  const std::string* format = b.string(0);
  if (!format) m.raise("strftime() argument 1 must be str, not {}", type_name(b[0]));
  if (format->size() > 4096) m.raise_text(ErrorKind::limit, "a time format has at most 4096 bytes");
  const std::time_t seconds = std::chrono::system_clock::to_time_t(m.now);
  const auto micro =
      std::chrono::duration_cast<std::chrono::microseconds>(m.now.time_since_epoch()).count() % 1'000'000;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  TextBuilder out(m);
  for (std::size_t i = 0; i < format->size(); ++i) {
    const char c = (*format)[i];
    if (c != '%' || i + 1 >= format->size()) {
      out.add(c);
      continue;
    }
    std::string directive = {'%', (*format)[++i]};
    if ((directive[1] == '-' || directive[1] == '_' || directive[1] == '^' || directive[1] == '#') &&
        i + 1 < format->size()) {
      directive += (*format)[++i];
    }
    if (directive == "%f") {
      out.add(fmt::format("{:06}", micro < 0 ? micro + 1'000'000 : micro));
      continue;
    }
    if (directive == "%z" || directive == "%Z") continue;  // Python's time without a zone prints none
    char buffer[128];
    out.add(std::string_view(buffer, std::strftime(buffer, sizeof buffer, directive.c_str(), &parts)));
  }
  return out.finish();
}

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  [[nodiscard]] std::string_view type_name() const override { return "Cycler"; }
  [[nodiscard]] int depth() const override {
    int depth = 0;
    for (const Value& item : items_) depth = std::max(depth, depth_of(item));
    return depth + 1;
  }
  Value attribute(Machine& machine, std::string_view name) override {
    if (name == "current") return items_[position_];
    if (name != "next" && name != "reset") return {};
    // The machine holds every cycler to the end of the render, so that `this` stays.
    return make_function(machine, "method", std::string(name), [this, next = name == "next"](Machine&, Arguments&) {
      const Value item = items_[position_];
      position_ = next ? (position_ + 1) % items_.size() : 0;
      return next ? item : Value(None{});
    });
  }

 private:
  std::vector<Value> items_;
  std::size_t position_ = 0;
};

Value make_cycler(Machine& m, Arguments& a) {
  if (!a.named.empty()) m.raise("cycler() got an unexpected keyword argument '{}'", a.named[0].first);
  if (a.positional.empty()) m.raise("at least one item has to be provided");
  auto cycler = std::make_shared<Cycler>(a.positional);
  cycler->charge.add(m, 192 + a.positional.size() * sizeof(Value));
  if (cycler->depth() > kMaxValueDepth) m.raise_text(ErrorKind::limit, "cyclers nest too deep");
  m.hold(cycler);
  return std::shared_ptr<Object>(std::move(cycler));
}

Value make_joiner(Machine& m, Arguments& a) {
  const Bound b(m, "joiner", a, {"sep"});
  const Value separator = b.given(0) ? b[0] : m.text(", ");
  return make_function(
      m, "Joiner", "joiner",
      [separator, used = false](Machine& machine, Arguments& arguments) mutable {
        const Bound none(machine, "joiner", arguments, {});
        return std::exchange(used, true) ? separator : machine.text("");
      },
      depth_of(separator) + 1);
}

}  // namespace

Value Namespace::attribute(Machine& machine, std::string_view name) {
  for (const auto& [key, value] : attributes_) {
    machine.step();
    if (key == name) return value;
  }
  return {};
}

void Namespace::set(Machine& machine, std::string_view name, Value value) {
  for (auto& [key, held] : attributes_) {
    machine.step();
    if (key == name) {
      held = std::move(value);
      return;
    }
  }
  charge.add(machine, 128 + name.size());
  attributes_.emplace_back(name, std::move(value));
}

std::string Namespace::repr(Machine& machine) const {
  DictBuilder dict(machine);
  for (const auto& [key, value] : attributes_) dict.set(machine.text(key), value);
  return fmt::format("<Namespace {}>", to_repr(machine, dict.finish()));
}

Value make_global(Machine& machine, std::string_view name) {
  using Body = Value (*)(Machine&, Arguments&);
  constexpr Named<Body> kGlobals[] = {
      {"range", make_range},          {"dict", make_dict},     {"namespace", make_namespace},
      {"cycler", make_cycler},        {"joiner", make_joiner}, {"raise_exception", raise_exception},
      {"strftime_now", strftime_now},
  };
  for (const auto& [known, body] : kGlobals) {
    if (known != name) continue;
    return make_function(machine, "function", std::string(name), body);
  }
  return {};
}

}  // namespace bitnet::jinja
