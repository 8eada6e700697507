#include "text/jinja/interpreter.h"

#include "base/utf8.h"
#include "text/jinja/loop_context.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"

namespace bitnet::jinja {
namespace {

constexpr std::size_t kActivationBytes = 96;

class Macro : public Object {
 public:
  Macro(Interpreter& interpreter, const Statement& statement, Activation* closure, std::string name)
      : interpreter_(interpreter), statement_(statement), closure_(closure), name_(std::move(name)) {}
  [[nodiscard]] std::string_view type_name() const override { return "Macro"; }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Machine&, Arguments& arguments) override {
    return interpreter_.call_function(statement_, closure_, arguments, name_);
  }
  Value attribute(Machine& machine, std::string_view name) override {
    if (name == "name") return machine.text(name_);
    if (name == "caller") return statement_.function.caller_slot >= 0;
    if (name == "catch_kwargs") return statement_.function.kwargs_slot >= 0;
    if (name == "catch_varargs") return statement_.function.varargs_slot >= 0;
    if (name != "arguments") return {};
    ListBuilder names(machine);
    for (const Parameter& parameter : statement_.function.parameters) names.add(machine.text(parameter.name));
    return names.finish(ListKind::tuple);
  }
  [[nodiscard]] std::string repr(Machine&) const override {
    return name_.empty() ? "<Macro anonymous>" : fmt::format("<Macro '{}'>", name_);
  }

 private:
  Interpreter& interpreter_;
  const Statement& statement_;
  Activation* closure_;
  std::string name_;
};

}  // namespace

/// The activation of a call; kept to the end of the render when something may still use it.
class Interpreter::FunctionCall {
 public:
  FunctionCall(Interpreter& interpreter, const FunctionInfo& function, Activation* outer)
      : interpreter_(interpreter), nested_(interpreter.machine_), activation_(std::make_unique<Activation>()) {
    activation_->charge.add(interpreter.machine_,
                            kActivationBytes + static_cast<std::size_t>(function.slots) * sizeof(Value));
    activation_->outer = outer;
    activation_->slots.resize(static_cast<std::size_t>(function.slots));
  }
  FunctionCall(const FunctionCall&) = delete;
  FunctionCall& operator=(const FunctionCall&) = delete;
  ~FunctionCall() {
    if (activation_->captured) interpreter_.kept_.push_back(std::move(activation_));
  }
  Activation& operator*() const { return *activation_; }

 private:
  Interpreter& interpreter_;
  Nested nested_;
  std::unique_ptr<Activation> activation_;
};

Interpreter::Interpreter(Machine& machine, const Tree& tree, Value variables)
    : machine_(machine), tree_(tree), variables_(std::move(variables)), root_output_(machine) {}

std::string Interpreter::run() {
  const FunctionCall root(*this, tree_.root, nullptr);
  output_ = &root_output_;
  enter(tree_.loads, *root);
  (void)execute(tree_.body, *root);
  return root_output_.take();
}

Value& Interpreter::slot(SlotRef ref, Activation& a) {
  Activation* activation = &a;
  for (int i = 0; i < ref.up; ++i) activation = activation->outer;
  return activation->slots[static_cast<std::size_t>(ref.slot)];
}

void Interpreter::capture(Activation* a) {
  for (; a && !a->captured; a = a->outer) a->captured = true;
}

Value Interpreter::variable(const std::string& name) {
  if (const auto it = exported_.find(name); it != exported_.end()) return it->second;
  if (const Value* found = variables_.dict()->find(machine_, name)) return *found;
  return make_global(machine_, name);
}

void Interpreter::enter(const std::vector<Load>& loads, Activation& a) {
  for (const Load& load : loads) {
    Value& target = a.slots[static_cast<std::size_t>(load.slot)];
    if (load.kind == Load::Kind::context) {
      target = variable(load.name);
    } else if (load.kind == Load::Kind::alias) {
      target = slot(load.from, a);
    } else {
      target = Value();
    }
  }
}

void Interpreter::write(std::string_view text, std::size_t length) {
  output_->add(text);
  if (output_ == &root_output_) machine_.output_position += length;
}

void Interpreter::write(const Value& value) {
  if (const String* string = value.string()) return write(string->text, string->length);
  const std::string text = to_text(machine_, value);
  write(text, count_code_points(text));
}

void Interpreter::check_namespaces(const Expression& target, Activation& a) {
  if (target.kind == ExpressionKind::namespace_ref && !slot(target.ref, a).object_as<Namespace>()) {
    machine_.raise("cannot assign attribute on non-namespace object");
  }
  for (const auto& operand : target.operands) check_namespaces(*operand, a);
}

void Interpreter::assign(const Expression& target, Value value, Activation& a, bool exports) {
  machine_.step();
  if (target.kind == ExpressionKind::name) {
    if (exports) exported_[target.name] = value;
    slot(target.ref, a) = std::move(value);
    return;
  }
  if (target.kind == ExpressionKind::namespace_ref) {
    slot(target.ref, a).object_as<Namespace>()->set(machine_, target.attribute, std::move(value));
    return;
  }
  if (!is_iterable(value)) machine_.raise("cannot unpack non-iterable {} object", type_name(value));
  Cursor cursor(machine_, value);
  std::vector<Value> items;
  for (Value item; items.size() <= target.operands.size() && cursor.next(item);) items.push_back(item);
  const std::size_t wanted = target.operands.size();
  if (items.size() < wanted) {
    machine_.raise("not enough values to unpack (expected {}, got {})", wanted, items.size());
  }
  if (items.size() > wanted) machine_.raise("too many values to unpack (expected {})", wanted);
  for (std::size_t i = 0; i < wanted; ++i) assign(*target.operands[i], std::move(items[i]), a, exports);
}

Interpreter::Flow Interpreter::execute(const Body& body, Activation& a) {
  for (const auto& statement : body) {
    if (const Flow flow = execute(*statement, a); flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const Statement& s, Activation& a) {
  const Nested nested(machine_);
  machine_.step();
  machine_.line = s.line;
  switch (s.kind) {
    case StatementKind::text:
      write(s.text, s.text_length);
      break;
    case StatementKind::output:
      write(evaluate(*s.value, a));
      break;
    case StatementKind::if_chain:
      return execute_if(s, a);
    case StatementKind::for_loop:
      return execute_for(s, a);
    case StatementKind::set:
      execute_set(s, a);
      break;
    case StatementKind::set_block:
      return execute_set_block(s, a);
    case StatementKind::macro: {
      const Value macro = make_macro(s, a);
      if (s.exports) exported_[s.text] = macro;
      slot(s.ref, a) = macro;
      break;
    }
    case StatementKind::call_block: {
      Value caller = make_macro(s, a);
      write(evaluate_call(*s.value, a, &caller));
      break;
    }
    case StatementKind::filter_block:
      return execute_filter_block(s, a);
    case StatementKind::with:
      return execute_with(s, a);
    case StatementKind::block: {
      Arguments none;
      write(call_function(s, nullptr, none, s.text));
      break;
    }
    case StatementKind::generation:
      execute_generation(s, a);
      break;
    case StatementKind::break_loop:
      return Flow::break_loop;
    case StatementKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute_if(const Statement& s, Activation& a) {
  for (const Branch& branch : s.branches) {
    if (truth(evaluate(*branch.condition, a))) return execute(branch.body, a);
  }
  return execute(s.otherwise, a);
}

void Interpreter::execute_set(const Statement& s, Activation& a) {
  check_namespaces(*s.target, a);
  assign(*s.target, evaluate(*s.value, a), a, s.exports);
}

Value Interpreter::captured(const Body& body, Activation& a, Flow& flow) {
  TextBuilder text(machine_);
  TextBuilder* const around = std::exchange(output_, &text);
  flow = execute(body, a);
  output_ = around;
  return text.finish();
}

Interpreter::Flow Interpreter::execute_set_block(const Statement& s, Activation& a) {
  enter(s.loads, a);
  Flow flow = Flow::normal;
  Value text = captured(s.body, a, flow);
  if (flow != Flow::normal) return flow;
  if (s.value) text = evaluate_filter(*s.value, a, &text);
  check_namespaces(*s.target, a);
  assign(*s.target, std::move(text), a, s.exports);
  return flow;
}

Interpreter::Flow Interpreter::execute_filter_block(const Statement& s, Activation& a) {
  enter(s.loads, a);
  Flow flow = Flow::normal;
  const Value text = captured(s.body, a, flow);
  if (flow == Flow::normal) write(evaluate_filter(*s.value, a, &text));
  return flow;
}

Interpreter::Flow Interpreter::execute_with(const Statement& s, Activation& a) {
  enter(s.loads, a);
  for (const auto& [target, value] : s.assignments) assign(*target, evaluate(*value, a), a, false);
  return execute(s.body, a);
}

void Interpreter::execute_generation(const Statement& s, Activation& a) {
  const std::size_t start = machine_.output_position;
  Arguments none;
  const Value text = call_function(s, &a, none, {});
  machine_.generation_spans.emplace_back(start, start + text.string()->length);
  write(text);
}

Value Interpreter::filtered(const Statement& s, Activation& a, const Value& iterable) {
  if (s.loop_slot >= 0) capture(&a);  // whoever keeps the loop object can ask it for the next item
  return make_generator(
      machine_, iterable, {},
      [this, &s, &a, cursor = Cursor(machine_, iterable), entered = false](Machine&, Value& item) mutable {
        std::vector<Value> saved;  // the loop looks ahead while its own target is in use
        for (const int index : s.target_slots) saved.push_back(a.slots[static_cast<std::size_t>(index)]);
        if (!std::exchange(entered, true)) enter(s.test_loads, a);
        bool found = false;
        while (!found && cursor.next(item)) {
          assign(*s.target, item, a, false);
          found = truth(evaluate(*s.condition, a));
        }
        for (std::size_t i = 0; i < saved.size(); ++i) {
          a.slots[static_cast<std::size_t>(s.target_slots[i])] = std::move(saved[i]);
        }
        return found;
      });
}

Interpreter::Flow Interpreter::execute_for(const Statement& s, Activation& a) {
  const Value iterable = evaluate(*s.value, a);
  if (!s.recursive) return run_loop(s, a, nullptr, iterable, 0);
  capture(&a);
  write(recurse(s, &a, iterable, 0));
  return Flow::normal;
}

Value Interpreter::recurse(const Statement& s, Activation* closure, const Value& iterable, std::int64_t depth) {
  const FunctionCall call(*this, s.function, closure);
  TextBuilder text(machine_);
  TextBuilder* const around = std::exchange(output_, &text);
  (void)run_loop(s, *call, closure, iterable, depth);
  output_ = around;
  return text.finish();
}

Interpreter::Flow Interpreter::run_loop(const Statement& s, Activation& a, Activation* closure, const Value& iterable,
                                        std::int64_t depth) {
  const Value source = s.condition ? filtered(s, a, iterable) : iterable;
  /// The loop object, which leaves its slot when the loop is over, and is held when somebody kept it.
  struct Holder {
    Interpreter& in;
    Value* slot = nullptr;
    std::shared_ptr<LoopContext> loop;
    ~Holder() {
      if (!loop) return;
      *slot = Value();
      if (loop.use_count() > 1) in.machine_.hold(std::move(loop));
    }
  } holder{*this, nullptr, nullptr};
  std::optional<Cursor> cursor;
  if (s.loop_slot >= 0) {
    std::function<Value(const Value&, std::int64_t)> again;
    if (s.recursive) {
      again = [this, &s, closure](const Value& inner, std::int64_t d) { return recurse(s, closure, inner, d); };
    }
    holder.slot = &a.slots[static_cast<std::size_t>(s.loop_slot)];
    holder.loop = std::make_shared<LoopContext>(machine_, source, depth, std::move(again));
  } else {
    cursor.emplace(machine_, source);
  }
  bool ran_to_an_end = false;  // Jinja's own rule: a body left by `break` or `continue` does not count
  for (Value item; holder.loop ? holder.loop->advance(item) : cursor->next(item);) {
    machine_.line = s.line;
    if (holder.loop) *holder.slot = std::shared_ptr<Object>(holder.loop);
    assign(*s.target, std::move(item), a, false);
    enter(s.loads, a);
    const Flow flow = execute(s.body, a);
    if (flow == Flow::break_loop) break;
    if (flow == Flow::normal) ran_to_an_end = true;
  }
  for (const Load& load : s.loads) a.slots[static_cast<std::size_t>(load.slot)] = Value();
  for (const int index : s.target_slots) a.slots[static_cast<std::size_t>(index)] = Value();
  if (ran_to_an_end || s.otherwise.empty()) return Flow::normal;
  enter(s.else_loads, a);
  return execute(s.otherwise, a);
}

Value Interpreter::make_macro(const Statement& s, Activation& a) {
  capture(&a);
  auto macro = std::make_shared<Macro>(*this, s, &a, s.text);
  macro->charge.add(machine_, 128 + s.text.size());
  return std::shared_ptr<Object>(std::move(macro));
}

void Interpreter::bind(const Statement& s, Activation& a, Arguments& arguments, std::string_view name) {
  const FunctionInfo& function = s.function;
  const auto slot_of = [&](int index) -> Value& { return a.slots[static_cast<std::size_t>(index)]; };
  const auto take_named = [&](std::string_view wanted) -> Value {
    for (auto it = arguments.named.begin(); it != arguments.named.end(); ++it) {
      if (it->first != wanted) continue;
      const Value value = it->second;
      arguments.named.erase(it);
      return value;
    }
    return {};
  };
  const std::size_t count = function.parameters.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& parameter = function.parameters[i];
    slot_of(parameter.slot) = i < arguments.positional.size() ? arguments.positional[i] : take_named(parameter.name);
  }
  if (function.caller_slot >= 0) {
    Value caller = take_named("caller");
    slot_of(function.caller_slot) = caller.is_missing() ? machine_.undefined("No caller defined") : caller;
  }
  if (function.kwargs_slot >= 0) {
    DictBuilder rest(machine_);
    for (const auto& [key, value] : arguments.named) rest.set(machine_.text(key), value);
    slot_of(function.kwargs_slot) = rest.finish();
  } else if (!arguments.named.empty()) {
    const std::string& key = arguments.named[0].first;
    if (key == "caller") {
      machine_.raise(
          "macro '{}' was invoked with two values for the special caller argument. This is most likely a bug.", name);
    }
    machine_.raise("macro '{}' takes no keyword argument '{}'", name, key);
  }
  if (function.varargs_slot >= 0) {
    ListBuilder rest(machine_);
    for (std::size_t i = count; i < arguments.positional.size(); ++i) rest.add(arguments.positional[i]);
    slot_of(function.varargs_slot) = rest.finish(ListKind::tuple);
  } else if (arguments.positional.size() > count) {
    machine_.raise("macro '{}' takes not more than {} argument(s)", name, count);
  }
}

Value Interpreter::call_function(const Statement& s, Activation* closure, Arguments& arguments, std::string_view name) {
  const FunctionCall call(*this, s.function, closure);
  Activation& a = *call;
  bind(s, a, arguments, name);
  enter(s.loads, a);
  for (const Parameter& parameter : s.function.parameters) {
    Value& target = a.slots[static_cast<std::size_t>(parameter.slot)];
    if (!target.is_missing()) continue;
    target = parameter.otherwise ? evaluate(*parameter.otherwise, a)
                                 : machine_.undefined(fmt::format("parameter '{}' was not provided", parameter.name));
  }
  Flow flow = Flow::normal;
  return captured(s.body, a, flow);
}

}  // namespace bitnet::jinja
