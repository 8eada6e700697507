#include "text/jinja/loop_context.h"

#include "text/jinja/operations.h"

namespace bitnet::jinja {

LoopContext::LoopContext(Machine& machine, const Value& iterable, std::int64_t depth0,
                         std::function<Value(const Value&, std::int64_t)> recurse)
    : machine_(machine), cursor_(std::in_place, machine, iterable), depth0_(depth0), recurse_(std::move(recurse)) {
  charge.add(machine, 512);
  if (cursor_->sized()) length_ = static_cast<std::int64_t>(cursor_->size());
}

bool LoopContext::advance(Value& item) {
  if (!after_.is_missing()) {
    item = std::exchange(after_, Value());
  } else if (!cursor_->next(item)) {
    return false;
  }
  ++index0_;
  before_ = std::move(current_);
  current_ = item;
  return true;
}

const Value& LoopContext::peek() {
  if (after_.is_missing() && cursor_ && !cursor_->next(after_)) after_ = Value();
  return after_;
}

std::int64_t LoopContext::length() {
  if (!length_) {
    ListBuilder rest(machine_);
    for (Value item; cursor_ && cursor_->next(item);) rest.add(item);
    length_ = static_cast<std::int64_t>(rest.size()) + index0_ + 1 + (after_.is_missing() ? 0 : 1);
    cursor_.emplace(machine_, rest.finish());
  }
  return *length_;
}

bool LoopContext::changed(const std::vector<Value>& values) {
  bool same = ever_changed_ && values.size() == last_changed_.size();
  for (std::size_t i = 0; same && i < values.size(); ++i) same = equal(machine_, values[i], last_changed_[i]);
  if (same) return false;
  ever_changed_ = true;
  last_changed_ = values;
  return true;
}

Value LoopContext::call(Machine& machine, Arguments& arguments) {
  const Bound b(machine, "loop", arguments, {"iterable"}, 1);
  if (!recurse_) machine.raise("The loop must have the 'recursive' marker to be called recursively.");
  return recurse_(b[0], depth0_ + 1);
}

Value LoopContext::attribute(Machine& machine, std::string_view name) {
  if (name == "index0") return index0_;
  if (name == "index") return index0_ + 1;
  if (name == "first") return index0_ == 0;
  if (name == "last") return peek().is_missing();
  if (name == "length") return length();
  if (name == "revindex0") return length() - index0_ - 1;
  if (name == "revindex") return length() - index0_;
  if (name == "depth0") return depth0_;
  if (name == "depth") return depth0_ + 1;
  if (name == "previtem") {
    return index0_ == 0 || before_.is_missing() ? machine.undefined("there is no previous item") : before_;
  }
  if (name == "nextitem") return peek().is_missing() ? machine.undefined("there is no next item") : after_;
  if (name == "cycle") {
    return make_function(machine, "method", "cycle", [self = shared_from_this()](Machine& m, Arguments& a) {
      if (a.positional.empty()) m.raise("no items for cycling given");
      return a.positional[static_cast<std::size_t>(std::max<std::int64_t>(0, self->index0_)) % a.positional.size()];
    });
  }
  if (name == "changed") {
    return make_function(machine, "method", "changed", [self = shared_from_this()](Machine&, Arguments& a) -> Value {
      return self->changed(a.positional);
    });
  }
  return {};
}

std::string LoopContext::repr(Machine&) const {
  return fmt::format("<LoopContext {}/{}>", index0_ + 1, length_.value_or(index0_ + 1));
}

void LoopContext::clear() {
  cursor_.reset();
  after_ = current_ = before_ = Value();
  last_changed_.clear();
  recurse_ = nullptr;
}

}  // namespace bitnet::jinja
