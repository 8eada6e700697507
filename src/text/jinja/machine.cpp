#include "text/jinja/machine.h"

#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"

namespace bitnet::jinja {
namespace {

constexpr std::size_t kObjectBytes = 192;

}  // namespace

void Machine::raise_text(ErrorKind kind, const std::string& message) const {
  fail(kind, "{}, line {}: {}", source_, line, message);
}
void Machine::too_long() const {
  raise_text(ErrorKind::limit, fmt::format("the template took more than {} steps", limits_.steps));
}
void Machine::too_deep() const {
  raise_text(ErrorKind::limit,
             fmt::format("the template nests or calls itself more than {} levels deep", limits_.depth));
}
void Machine::too_large() const {
  raise_text(ErrorKind::limit, fmt::format("the template's values need more than {} bytes", limits_.memory));
}

Value Machine::text(std::string text, bool markup) {
  step_bytes(text.size());
  auto string = std::make_shared<String>();
  string->charge.add(*this, sizeof(String) + text.size());
  string->length = count_code_points(text);
  string->text = std::move(text);
  string->markup = markup;
  return std::shared_ptr<const String>(std::move(string));
}

Value Machine::undefined(std::string message) {
  return std::make_shared<const Undefined>(Undefined{std::move(message)});
}

void Machine::hold(std::shared_ptr<Object> object) { circular_.push_back(std::move(object)); }

bool Generator::next(Machine& machine, Value& item) {
  if (running_) machine.raise("generator already executing");
  if (done_) return false;
  const Nested nested(machine);
  running_ = true;
  // An error ends the render, so that nobody sees the flag of a generator that failed.
  done_ = !produce_(machine, item);
  running_ = false;
  return !done_;
}

Value make_generator(Machine& machine, const Value& source, const Arguments& arguments, Generator::Produce produce,
                     std::string_view type) {
  int depth = depth_of(source);
  for (const Value& value : arguments.positional) depth = std::max(depth, depth_of(value));
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, depth_of(value));
  if (depth >= kMaxValueDepth) {
    machine.raise_text(ErrorKind::limit, fmt::format("iterators nest deeper than {} levels", kMaxValueDepth));
  }
  auto generator = std::make_shared<Generator>(type, depth + 1, std::move(produce));
  generator->charge.add(machine, kObjectBytes);
  return std::shared_ptr<Object>(std::move(generator));
}

Value make_function(Machine& machine, std::string_view type, std::string name, Function::Body body, int depth) {
  if (depth > kMaxValueDepth) {
    machine.raise_text(ErrorKind::limit, fmt::format("values nest deeper than {} levels", kMaxValueDepth));
  }
  auto function = std::make_shared<Function>(type, std::move(name), std::move(body), depth);
  function->charge.add(machine, kObjectBytes);
  return std::shared_ptr<Object>(std::move(function));
}

std::string Function::repr(Machine&) const { return fmt::format("<{} {}>", type_, name_); }

Bound::Bound(Machine& machine, std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> names, std::size_t required)
    : machine_(machine), function_(function), values_(names.size()) {
  if (arguments.positional.size() > names.size()) {
    machine.raise("{}() takes at most {} arguments ({} given)", function, names.size(), arguments.positional.size());
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto* const found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) machine.raise("{}() got an unexpected keyword argument '{}'", function, name);
    Value& slot = values_[static_cast<std::size_t>(found - names.begin())];
    if (!slot.is_missing()) machine.raise("{}() got multiple values for argument '{}'", function, name);
    slot = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (values_[i].is_missing()) {
      machine.raise("{}() missing 1 required positional argument: '{}'", function, names.begin()[i]);
    }
  }
}

std::int64_t Bound::integer(std::size_t i, std::int64_t otherwise) const {
  if (!has(i)) return otherwise;
  const auto number = as_integer(values_[i]);
  if (!number) {
    if (values_[i].undefined()) machine_.raise("{}", values_[i].undefined()->message);
    machine_.raise("'{}' object cannot be interpreted as an integer", type_name(values_[i]));
  }
  return *number;
}

bool Bound::truth(std::size_t i, bool otherwise) const { return given(i) ? jinja::truth(values_[i]) : otherwise; }

const std::string* Bound::string(std::size_t i) const {
  if (!has(i)) return nullptr;
  const String* string = values_[i].string();
  if (!string) machine_.raise("{}() argument {} must be str, not {}", function_, i + 1, type_name(values_[i]));
  return &string->text;
}

}  // namespace bitnet::jinja
