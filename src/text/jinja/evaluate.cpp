// The interpreter's expressions.
#include "text/jinja/interpreter.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"

namespace bitnet::jinja {

Value Interpreter::evaluate(const Expression& e, Activation& a) {
  const Nested nested(machine_);
  machine_.step();
  machine_.line = e.line;
  switch (e.kind) {
    case ExpressionKind::constant:
      return e.constant;
    case ExpressionKind::name:
      return evaluate_name(e, a);
    case ExpressionKind::tuple:
    case ExpressionKind::list:
      return evaluate_container(e, a);
    case ExpressionKind::dict:
      return evaluate_dict(e, a);
    case ExpressionKind::get_attribute:
      return get_attribute(machine_, evaluate(*e.operands[0], a), e.name);
    case ExpressionKind::get_item: {
      const Value value = evaluate(*e.operands[0], a);
      return get_item(machine_, value, evaluate(*e.operands[1], a));
    }
    case ExpressionKind::slice:
      return evaluate_slice(e, a);
    case ExpressionKind::call:
      return evaluate_call(e, a, nullptr);
    case ExpressionKind::filter:
      return evaluate_filter(e, a, nullptr);
    case ExpressionKind::test:
      return evaluate_test(e, a);
    case ExpressionKind::negate:
      return negative(machine_, evaluate(*e.operands[0], a));
    case ExpressionKind::plus:
      return positive(machine_, evaluate(*e.operands[0], a));
    case ExpressionKind::logical_not:
      return !truth(evaluate(*e.operands[0], a));
    case ExpressionKind::logical_and:
    case ExpressionKind::logical_or: {
      Value left = evaluate(*e.operands[0], a);
      return truth(left) == (e.kind == ExpressionKind::logical_or) ? left : evaluate(*e.operands[1], a);
    }
    case ExpressionKind::conditional:
      return evaluate_conditional(e, a);
    case ExpressionKind::arithmetic: {
      const Value left = evaluate(*e.operands[0], a);
      const Value right = evaluate(*e.operands[1], a);
      machine_.line = e.line;
      return arithmetic(machine_, left, right, e.op);
    }
    case ExpressionKind::concat:
      return evaluate_concat(e, a);
    case ExpressionKind::compare:
      return evaluate_compare(e, a);
    case ExpressionKind::namespace_ref:
      break;  // only a target
  }
  return None{};
}

Value Interpreter::evaluate_name(const Expression& e, Activation& a) {
  const Value& value = slot(e.ref, a);
  return value.is_missing() ? machine_.undefined(fmt::format("'{}' is undefined", e.name)) : value;
}

Value Interpreter::evaluate_container(const Expression& e, Activation& a) {
  ListBuilder items(machine_);
  for (const auto& operand : e.operands) items.add(evaluate(*operand, a));
  return items.finish(e.kind == ExpressionKind::tuple ? ListKind::tuple : ListKind::list);
}

Value Interpreter::evaluate_dict(const Expression& e, Activation& a) {
  DictBuilder dict(machine_);
  for (std::size_t i = 0; i < e.operands.size(); i += 2) {
    const Value key = evaluate(*e.operands[i], a);
    dict.set(key, evaluate(*e.operands[i + 1], a));
  }
  return dict.finish();
}

Value Interpreter::evaluate_slice(const Expression& e, Activation& a) {
  const Value value = evaluate(*e.operands[0], a);
  const auto bound = [&](std::size_t i) { return e.operands[i] ? evaluate(*e.operands[i], a) : Value(); };
  const Value start = bound(1);
  const Value stop = bound(2);
  return get_slice(machine_, value, start, stop, bound(3));
}

Value Interpreter::evaluate_conditional(const Expression& e, Activation& a) {
  if (truth(evaluate(*e.operands[0], a))) return evaluate(*e.operands[1], a);
  if (e.operands[2]) return evaluate(*e.operands[2], a);
  return machine_.undefined(
      fmt::format("the inline if-expression on line {} evaluated to false and no else section was defined.", e.line));
}

Value Interpreter::evaluate_concat(const Expression& e, Activation& a) {
  TextBuilder text(machine_);
  for (const auto& operand : e.operands) text.add(to_text(machine_, evaluate(*operand, a)));
  return text.finish();
}

Value Interpreter::evaluate_compare(const Expression& e, Activation& a) {
  Value left = evaluate(*e.operands[0], a);
  for (std::size_t i = 0; i < e.ops.size(); ++i) {
    Value right = evaluate(*e.operands[i + 1], a);
    machine_.line = e.line;
    if (!compare(machine_, left, right, e.ops[i])) return false;
    left = std::move(right);
  }
  return true;
}

Arguments Interpreter::evaluate_arguments(const Expression& e, Activation& a) {
  Arguments arguments;
  const auto add_named = [&](const std::string& name, Value value) {
    for (const auto& [known, held] : arguments.named) {
      machine_.step();
      if (known == name) machine_.raise("got multiple values for keyword argument '{}'", name);
    }
    arguments.named.emplace_back(name, std::move(value));
  };
  for (const Argument& argument : e.arguments) {
    Value value = evaluate(*argument.value, a);
    if (argument.kind == Argument::Kind::positional) {
      arguments.positional.push_back(std::move(value));
    } else if (argument.kind == Argument::Kind::named) {
      add_named(argument.name, std::move(value));
    } else if (argument.kind == Argument::Kind::unpack_list) {
      Cursor cursor(machine_, value);
      for (Value item; cursor.next(item);) arguments.positional.push_back(item);
    } else {
      if (!value.dict()) machine_.raise("argument after ** must be a mapping, not {}", type_name(value));
      for (const auto& [key, item] : value.dict()->entries) {
        if (!key.string()) machine_.raise("keywords must be strings");
        add_named(key.string()->text, item);
      }
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Expression& e, Activation& a, Value* caller) {
  const Value function = evaluate(*e.operands[0], a);
  Arguments arguments = evaluate_arguments(e, a);
  if (caller) arguments.named.emplace_back("caller", *caller);
  machine_.line = e.line;
  return call(machine_, function, arguments);
}

Value Interpreter::evaluate_filter(const Expression& e, Activation& a, const Value* subject) {
  // A block's filters end in one without a subject: the block's output.
  Value value;
  if (!e.operands[0]) {
    value = *subject;
  } else if (subject) {
    value = evaluate_filter(*e.operands[0], a, subject);
  } else {
    value = evaluate(*e.operands[0], a);
  }
  Arguments arguments = evaluate_arguments(e, a);
  machine_.line = e.line;
  if (!e.filter) machine_.raise("No filter named '{}'.", e.name);
  return e.filter(machine_, value, arguments);
}

Value Interpreter::evaluate_test(const Expression& e, Activation& a) {
  const Value value = evaluate(*e.operands[0], a);
  Arguments arguments = evaluate_arguments(e, a);
  machine_.line = e.line;
  if (!e.test) machine_.raise("No test named '{}'.", e.name);
  return e.test(machine_, value, arguments);
}

}  // namespace bitnet::jinja
