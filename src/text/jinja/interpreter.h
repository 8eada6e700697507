#pragma once

#include <memory>
#include <unordered_map>

#include "text/jinja/ast.h"
#include "text/jinja/machine.h"

namespace bitnet::jinja {

/// The variables of one call of a function.
struct Activation {
  Activation* outer = nullptr;
  std::vector<Value> slots;
  bool captured = false;  ///< a macro or loop object may use it after its function returned
  Charge charge;
};

/// Runs one template once.
class Interpreter {
 public:
  Interpreter(Machine& machine, const Tree& tree, Value variables);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  [[nodiscard]] std::string run();

  /// What Macro and LoopContext objects call back.
  Value call_function(const Statement& statement, Activation* closure, Arguments& arguments, std::string_view name);
  Value recurse(const Statement& loop, Activation* closure, const Value& iterable, std::int64_t depth);

 private:
  enum class Flow { normal, break_loop, continue_loop };
  class FunctionCall;

  Flow execute(const Body& body, Activation& a);
  Flow execute(const Statement& s, Activation& a);
  Flow execute_if(const Statement& s, Activation& a);
  Flow execute_for(const Statement& s, Activation& a);
  Flow run_loop(const Statement& s, Activation& a, Activation* closure, const Value& iterable, std::int64_t depth);
  void execute_set(const Statement& s, Activation& a);
  Flow execute_set_block(const Statement& s, Activation& a);
  void execute_generation(const Statement& s, Activation& a);
  Flow execute_filter_block(const Statement& s, Activation& a);
  Flow execute_with(const Statement& s, Activation& a);
  /// The body's output as a value.
  Value captured(const Body& body, Activation& a, Flow& flow);
  Value filtered(const Statement& s, Activation& a, const Value& iterable);

  void enter(const std::vector<Load>& loads, Activation& a);
  void assign(const Expression& target, Value value, Activation& a, bool exports);
  void check_namespaces(const Expression& target, Activation& a);
  void bind(const Statement& s, Activation& a, Arguments& arguments, std::string_view name);
  Value make_macro(const Statement& s, Activation& a);
  void capture(Activation* a);
  void write(std::string_view text, std::size_t length);
  void write(const Value& value);
  Value variable(const std::string& name);

  Value evaluate(const Expression& e, Activation& a);
  Value evaluate_compare(const Expression& e, Activation& a);
  Value evaluate_call(const Expression& e, Activation& a, Value* caller);
  Value evaluate_filter(const Expression& e, Activation& a, const Value* subject);
  Value evaluate_test(const Expression& e, Activation& a);
  Value evaluate_container(const Expression& e, Activation& a);
  Value evaluate_dict(const Expression& e, Activation& a);
  Value evaluate_concat(const Expression& e, Activation& a);
  Value evaluate_slice(const Expression& e, Activation& a);
  Value evaluate_conditional(const Expression& e, Activation& a);
  Value evaluate_name(const Expression& e, Activation& a);
  Arguments evaluate_arguments(const Expression& e, Activation& a);
  [[nodiscard]] static Value& slot(SlotRef ref, Activation& a);

  Machine& machine_;
  const Tree& tree_;
  Value variables_;
  std::unordered_map<std::string, Value> exported_;
  std::vector<std::unique_ptr<Activation>> kept_;
  TextBuilder root_output_;
  TextBuilder* output_ = nullptr;
};

}  // namespace bitnet::jinja
