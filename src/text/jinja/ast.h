#pragma once
/// The parsed template. Immutable once resolved; any number of renders may share it.

#include <memory>
#include <string>
#include <vector>

#include "text/jinja/filters.h"
#include "text/jinja/value.h"

namespace bitnet::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

/// Where a variable lives: `up` functions outward, then a slot of that function's activation.
struct SlotRef {
  int up = 0;
  int slot = -1;
};

enum class ExpressionKind {
  constant,
  name,
  namespace_ref,
  tuple,
  list,
  dict,
  get_attribute,
  get_item,
  slice,
  call,
  filter,
  test,
  negate,
  plus,
  logical_not,
  logical_and,
  logical_or,
  conditional,
  arithmetic,
  concat,
  compare
};

struct Argument {
  enum class Kind { positional, named, unpack_list, unpack_dict };
  Kind kind = Kind::positional;
  std::string name;
  ExpressionPtr value;
};

struct Expression {
  ExpressionKind kind{};
  int line = 1;
  int depth = 1;          ///< levels of expressions below, this one included
  std::string name;       ///< of a name, attribute, filter, test or operator; of the namespace of a reference
  std::string attribute;  ///< of a namespace reference
  std::string_view op;    ///< arithmetic
  std::vector<std::string_view> ops;  ///< of a chain of comparisons, between the operands
  Value constant;
  /// Operands in the order they are written; null for what a slice leaves out, or the subject of a block's filter.
  std::vector<ExpressionPtr> operands;
  std::vector<Argument> arguments;
  SlotRef ref;
  Filter filter = nullptr;
  Test test = nullptr;
};

/// A variable that a scope brings in when it is entered.
struct Load {
  enum class Kind { context, alias, undefined };
  Kind kind{};
  int slot = 0;
  std::string name;  ///< context
  SlotRef from;      ///< alias
};

struct Parameter {
  std::string name;
  int slot = 0;
  ExpressionPtr otherwise;
};

/// A function of the compiled template: the root, a macro, a call block, a recursive loop or a block.
struct FunctionInfo {
  int slots = 0;
  std::vector<Parameter> parameters;
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1;  ///< -1: the body does not use it
};

enum class StatementKind {
  text,
  output,
  for_loop,
  if_chain,
  set,
  set_block,
  macro,
  call_block,
  filter_block,
  with,
  block,
  generation,
  break_loop,
  continue_loop
};

struct Branch {
  ExpressionPtr condition;
  Body body;
};

struct Statement {
  StatementKind kind{};
  int line = 1;
  std::string text;             ///< template data; the name of a macro or block
  std::size_t text_length = 0;  ///< of template data, in code points
  ExpressionPtr target;         ///< set, for
  ExpressionPtr value;          ///< output, set, for's iterable, call block's call, filter of a block
  ExpressionPtr condition;      ///< for ... if
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments;  ///< with
  std::vector<Branch> branches;                                      ///< if, elif
  Body body;
  Body otherwise;
  bool recursive = false;
  bool exports = false;  ///< a set or macro at the top level: blocks see it
  std::vector<Load> loads, test_loads, else_loads;
  std::vector<int> target_slots;  ///< of a loop's target
  int loop_slot = -1;             ///< of `loop`; -1 when the body does not use it
  SlotRef ref;                    ///< of a macro's own name
  FunctionInfo function;
};

struct Tree {
  Body body;
  FunctionInfo root;
  std::vector<Load> loads;
};

}  // namespace bitnet::jinja
