#include "text/jinja/resolver.h"

#include "base/fail.h"
#include "text/jinja/symbols.h"

namespace bitnet::jinja {
namespace {

/// Whether code uses a name before it sets it.
enum class Use { none, loads, stores };

Use first_use(const Body& body, std::string_view name);

Use first_use(const Expression* e, std::string_view name, bool target = false) {
  if (!e) return Use::none;
  if (e->kind == ExpressionKind::name && e->name == name) return target ? Use::stores : Use::loads;
  for (const auto& operand : e->operands) {
    if (const Use use = first_use(operand.get(), name, target); use != Use::none) return use;
  }
  for (const Argument& argument : e->arguments) {
    if (const Use use = first_use(argument.value.get(), name); use != Use::none) return use;
  }
  return Use::none;
}

Use first_use(const Statement& s, std::string_view name) {
  Use use = Use::none;
  const auto found = [&](Use next) {
    use = next;
    return use != Use::none;
  };
  if (s.kind == StatementKind::block) return use;
  if (found(first_use(s.target.get(), name, true)) || found(first_use(s.value.get(), name))) return use;
  for (const Parameter& parameter : s.function.parameters) {
    if (parameter.name == name) return Use::stores;
    if (found(first_use(parameter.otherwise.get(), name))) return use;
  }
  for (const auto& [target, value] : s.assignments) {
    if (found(first_use(target.get(), name, true)) || found(first_use(value.get(), name))) return use;
  }
  for (const Branch& branch : s.branches) {
    if (found(first_use(branch.condition.get(), name)) || found(first_use(branch.body, name))) return use;
  }
  if (found(first_use(s.body, name)) || found(first_use(s.otherwise, name))) return use;
  return first_use(s.condition.get(), name);
}

Use first_use(const Body& body, std::string_view name) {
  for (const auto& statement : body) {
    if (const Use use = first_use(*statement, name); use != Use::none) return use;
  }
  return Use::none;
}

// The analysis of a scope: which names its code meets, in source order. It does not go into inner scopes.

void analyze(Symbols& symbols, const Expression* e) {
  if (!e) return;
  if (e->kind == ExpressionKind::name || e->kind == ExpressionKind::namespace_ref) symbols.load(e->name);
  for (const auto& operand : e->operands) analyze(symbols, operand.get());
  for (const Argument& argument : e->arguments) analyze(symbols, argument.value.get());
}

void analyze_target(Symbols& symbols, const Expression& target, bool parameter) {
  if (target.kind == ExpressionKind::namespace_ref) {
    symbols.load(target.name);
  } else if (target.kind == ExpressionKind::name) {
    parameter ? static_cast<void>(symbols.declare_parameter(target.name)) : symbols.store(target.name);
  }
  for (const auto& operand : target.operands) analyze_target(symbols, *operand, parameter);
}

void analyze(Symbols& symbols, const Body& body);

void analyze_if(Symbols& symbols, const Statement& s) {
  analyze(symbols, s.branches[0].condition.get());
  std::vector<Symbols> parts(3, symbols);
  analyze(parts[0], s.branches[0].body);
  for (std::size_t i = 1; i < s.branches.size(); ++i) {
    analyze(parts[1], s.branches[i].condition.get());
    std::vector<Symbols> branch(1, parts[1]);
    analyze(branch[0], s.branches[i].body);
    parts[1].merge_branches(branch);
  }
  analyze(parts[2], s.otherwise);
  symbols.merge_branches(parts);
}

void analyze(Symbols& symbols, const Statement& s) {
  switch (s.kind) {
    case StatementKind::output:
    case StatementKind::for_loop:
    case StatementKind::call_block:
    case StatementKind::filter_block:
      return analyze(symbols, s.value.get());
    case StatementKind::if_chain:
      return analyze_if(symbols, s);
    case StatementKind::set:
      analyze(symbols, s.value.get());
      return analyze_target(symbols, *s.target, false);
    case StatementKind::set_block:
      return analyze_target(symbols, *s.target, false);
    case StatementKind::macro:
      return symbols.store(s.text);
    case StatementKind::with:
      for (const auto& [target, value] : s.assignments) analyze(symbols, value.get());
      return;
    default:
      return;
  }
}

void analyze(Symbols& symbols, const Body& body) {
  for (const auto& statement : body) analyze(symbols, *statement);
}

/// Where code stands while its names are resolved.
struct Place {
  Symbols& symbols;
  bool toplevel = false;
  bool soft = false;     ///< inside a condition, where unknown filters fail only when they run
  bool in_loop = false;  ///< of this function
  bool in_any_loop = false;
};

class Resolver {
 public:
  explicit Resolver(const std::string& source_name) : source_name_(source_name) {}

  void run(Tree& tree) {
    FunctionScope function{&tree.root, 0};
    Symbols symbols(nullptr, function);
    analyze(symbols, tree.body);
    visit(tree.body, {symbols, true});
    tree.loads = symbols.loads();
  }

 private:
  [[noreturn]] void error(int line, const std::string& message) const {
    fail(ErrorKind::corrupt, "{}, line {}: {}", source_name_, line, message);
  }

  void visit(Expression* e, const Place& place) const {
    if (!e) return;
    if (e->kind == ExpressionKind::name || e->kind == ExpressionKind::namespace_ref)
      e->ref = place.symbols.ref(e->name);
    Place inner = place;
    inner.soft = place.soft || e->kind == ExpressionKind::conditional;
    if (e->kind == ExpressionKind::filter && !e->filter && !place.soft)
      error(e->line, "No filter named '" + e->name + "'.");
    if (e->kind == ExpressionKind::test && !e->test && !place.soft) error(e->line, "No test named '" + e->name + "'.");
    for (const auto& operand : e->operands) visit(operand.get(), inner);
    for (const Argument& argument : e->arguments) visit(argument.value.get(), inner);
  }

  void visit(const Body& body, const Place& place) const {
    for (const auto& statement : body) visit(*statement, place);
  }

  void visit_target(Expression& target, const Place& place) const {
    if (place.in_any_loop && target.kind == ExpressionKind::name && target.name == "loop") {
      error(target.line, "Can't assign to special loop variable in for-loop target");
    }
    if (target.kind != ExpressionKind::tuple) target.ref = place.symbols.ref(target.name);
    for (const auto& operand : target.operands) visit_target(*operand, place);
  }

  void visit(Statement& s, const Place& place) const {
    switch (s.kind) {
      case StatementKind::text:
        return;
      case StatementKind::output:
        return visit(s.value.get(), place);
      case StatementKind::for_loop:
        return visit_for(s, place);
      case StatementKind::if_chain: {
        Place inner = place;
        inner.soft = true;
        for (const Branch& branch : s.branches) {
          visit(branch.condition.get(), inner);
          visit(branch.body, inner);
        }
        return visit(s.otherwise, inner);
      }
      case StatementKind::set:
        s.exports = place.toplevel;
        visit(s.value.get(), place);
        return visit_target(*s.target, place);
      case StatementKind::set_block:
        s.exports = place.toplevel;
        visit_target(*s.target, place);
        return visit_scope(s, place);
      case StatementKind::filter_block:
        return visit_scope(s, place);
      case StatementKind::macro:
        s.exports = place.toplevel;
        s.ref = place.symbols.ref(s.text);
        return visit_function(s, &place);
      case StatementKind::call_block:
        visit(s.value.get(), place);
        return visit_function(s, &place);
      case StatementKind::generation:
        return visit_function(s, &place);
      case StatementKind::block:
        return visit_function(s, nullptr);
      case StatementKind::with:
        return visit_with(s, place);
      case StatementKind::break_loop:
      case StatementKind::continue_loop:
        if (!place.in_loop) error(s.line, "'break' and 'continue' stand only inside a loop");
        return;
    }
  }

  /// A block whose output is caught: its own scope, and a filter that sees it.
  void visit_scope(Statement& s, const Place& place) const {
    Symbols symbols(&place.symbols, place.symbols.function());
    analyze(symbols, s.body);
    analyze(symbols, s.value.get());
    Place inner{symbols, false, false, place.in_loop, place.in_any_loop};
    visit(s.body, inner);
    visit(s.value.get(), inner);
    s.loads = symbols.loads();
  }

  void visit_with(Statement& s, const Place& place) const {
    Symbols symbols(&place.symbols, place.symbols.function());
    for (const auto& [target, value] : s.assignments) analyze_target(symbols, *target, true);
    analyze(symbols, s.body);
    Place inner{symbols, false, false, place.in_loop, place.in_any_loop};
    for (const auto& [target, value] : s.assignments) {
      visit(value.get(), place);
      visit_target(*target, inner);
    }
    visit(s.body, inner);
    s.loads = symbols.loads();
  }

  /// Macros, call blocks, generation blocks, and blocks (which see nothing around them: `outer` is null).
  void visit_function(Statement& s, const Place* outer) const {
    FunctionScope function{&s.function, outer ? outer->symbols.function().depth + 1 : 0};
    Symbols symbols(outer ? &outer->symbols : nullptr, function);
    for (Parameter& parameter : s.function.parameters) parameter.slot = symbols.declare_parameter(parameter.name);
    const auto special = [&](const char* name) {
      for (const Parameter& parameter : s.function.parameters) {
        if (parameter.name == name) return -1;
      }
      return first_use(s.body, name) == Use::loads ? symbols.declare_parameter(name) : -1;
    };
    if (outer && s.kind != StatementKind::generation) {
      for (const Parameter& parameter : s.function.parameters) {
        if (parameter.name == "caller" && !parameter.otherwise && first_use(s.body, "caller") == Use::loads) {
          error(s.line,
                "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a "
                "default.");
        }
      }
      s.function.caller_slot = special("caller");
      s.function.kwargs_slot = special("kwargs");
      s.function.varargs_slot = special("varargs");
    }
    for (const Parameter& parameter : s.function.parameters) analyze(symbols, parameter.otherwise.get());
    analyze(symbols, s.body);
    const Place inner{symbols, false, false, false, outer && outer->in_any_loop};
    for (const Parameter& parameter : s.function.parameters) visit(parameter.otherwise.get(), inner);
    visit(s.body, inner);
    s.loads = symbols.loads();
  }

  static void collect_slots(const Expression& target, std::vector<int>& slots) {
    if (target.kind == ExpressionKind::name) slots.push_back(target.ref.slot);
    for (const auto& operand : target.operands) collect_slots(*operand, slots);
  }

  /// The names of a loop's target live in the same slots for its `if`, whose scope does not see the body's.
  static void share_target(Symbols& symbols, const Expression& target) {
    if (target.kind == ExpressionKind::name) symbols.share(target.name, target.ref.slot);
    for (const auto& operand : target.operands) share_target(symbols, *operand);
  }

  void visit_for(Statement& s, const Place& place) const {
    visit(s.value.get(), place);
    FunctionScope own{&s.function, place.symbols.function().depth + 1};
    FunctionScope& function = s.recursive ? own : place.symbols.function();
    Symbols symbols(&place.symbols, function);
    if (s.recursive || first_use(s.body, "loop") == Use::loads) s.loop_slot = symbols.declare_parameter("loop");
    analyze_target(symbols, *s.target, true);
    analyze(symbols, s.body);
    Place inner{symbols, false, false, true, true};
    visit_target(*s.target, inner);
    collect_slots(*s.target, s.target_slots);
    visit(s.body, inner);
    s.loads = symbols.loads();
    if (s.condition) {
      Symbols test(&place.symbols, function);
      share_target(test, *s.target);
      analyze(test, s.condition.get());
      visit(s.condition.get(), {test, false, false, false, true});
      s.test_loads = test.loads();
    }
    Symbols otherwise(&place.symbols, function);
    analyze(otherwise, s.otherwise);
    visit(s.otherwise, {otherwise, false, false, place.in_loop && !s.recursive, place.in_any_loop});
    s.else_loads = otherwise.loads();
  }

  const std::string& source_name_;
};

}  // namespace

void resolve(Tree& tree, const std::string& source_name) { Resolver(source_name).run(tree); }

}  // namespace bitnet::jinja
