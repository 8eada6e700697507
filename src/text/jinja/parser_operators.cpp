/// The operators, from the loosest to the tightest.

#include <algorithm>

#include "text/jinja/parser_base.h"

namespace bitnet::jinja {
namespace {

std::string_view interned(std::string_view op, std::initializer_list<std::string_view> ops) {
  const auto* const found = std::find(ops.begin(), ops.end(), op);
  return found == ops.end() ? std::string_view() : *found;
}

std::string_view current_op(const Token& token, std::initializer_list<std::string_view> ops) {
  return token.kind == TokenKind::op ? interned(token.text, ops) : std::string_view();
}

}  // namespace

ExpressionPtr ExpressionParser::parse_conditional() {
  const Level level(*this);
  int line = current().line;
  ExpressionPtr value = parse_or();
  while (skip_name("if")) {
    ExpressionPtr condition = parse_or();
    ExpressionPtr otherwise;
    if (skip_name("else")) otherwise = parse_conditional();
    value = with_operands(make(ExpressionKind::conditional, line), {&condition, &value, &otherwise});
    line = current().line;
  }
  return value;
}

ExpressionPtr ExpressionParser::parse_logical(ExpressionKind kind, std::string_view name, Rule operand) {
  ExpressionPtr left = (this->*operand)();
  while (current().is_name(name)) {
    const int line = advance().line;
    ExpressionPtr right = (this->*operand)();
    left = with_operands(make(kind, line), {&left, &right});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_or() {
  return parse_logical(ExpressionKind::logical_or, "or", &ExpressionParser::parse_and);
}

ExpressionPtr ExpressionParser::parse_and() {
  return parse_logical(ExpressionKind::logical_and, "and", &ExpressionParser::parse_not);
}

ExpressionPtr ExpressionParser::parse_not() {
  if (!current().is_name("not")) return parse_comparison();
  const Level level(*this);
  const int line = advance().line;
  ExpressionPtr operand = parse_not();
  return with_operands(make(ExpressionKind::logical_not, line), {&operand});
}

ExpressionPtr ExpressionParser::parse_comparison() {
  const int line = current().line;
  ExpressionPtr first = parse_sum();
  ExpressionPtr chain;
  for (;;) {
    std::string_view op = current_op(current(), {"==", "!=", "<", "<=", ">", ">="});
    if (current().is_name("in")) op = "in";
    if (current().is_name("not") && look().is_name("in")) op = "not in";
    if (op.empty()) break;
    advance();
    if (op == "not in") advance();
    if (!chain) chain = with_operands(make(ExpressionKind::compare, line), {&first});
    chain->ops.push_back(op);
    add_operand(*chain, parse_sum());
  }
  return chain ? std::move(chain) : std::move(first);
}

ExpressionPtr ExpressionParser::parse_arithmetic(std::initializer_list<std::string_view> ops, Rule operand) {
  ExpressionPtr left = (this->*operand)();
  for (std::string_view op; !(op = current_op(current(), ops)).empty();) {
    auto node = make(ExpressionKind::arithmetic, advance().line);
    node->op = op;
    ExpressionPtr right = (this->*operand)();
    left = with_operands(std::move(node), {&left, &right});
  }
  return left;
}

ExpressionPtr ExpressionParser::parse_sum() { return parse_arithmetic({"+", "-"}, &ExpressionParser::parse_concat); }

ExpressionPtr ExpressionParser::parse_concat() {
  ExpressionPtr first = parse_product();
  if (!current().is_op("~")) return first;
  auto node = with_operands(make(ExpressionKind::concat, current().line), {&first});
  while (skip_op("~")) add_operand(*node, parse_product());
  return node;
}

ExpressionPtr ExpressionParser::parse_product() {
  return parse_arithmetic({"*", "/", "//", "%"}, &ExpressionParser::parse_power);
}

ExpressionPtr ExpressionParser::parse_power() { return parse_arithmetic({"**"}, &ExpressionParser::parse_operand); }

ExpressionPtr ExpressionParser::parse_unary(bool with_filters) {
  const Level level(*this);
  ExpressionPtr node;
  if (current().is_op("-") || current().is_op("+")) {
    const ExpressionKind kind = current().is_op("-") ? ExpressionKind::negate : ExpressionKind::plus;
    const int line = advance().line;
    ExpressionPtr operand = parse_unary(false);
    node = with_operands(make(kind, line), {&operand});
  } else {
    node = parse_primary(false);
  }
  node = parse_postfix(std::move(node));
  return with_filters ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

}  // namespace bitnet::jinja
