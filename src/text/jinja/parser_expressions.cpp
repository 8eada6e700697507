/// What operators join: literals, names, tuples, and the subscripts, calls, filters and tests behind them.

#include <algorithm>

#include "text/jinja/parser_base.h"

namespace bitnet::jinja {

ExpressionPtr ExpressionParser::parse_primary(bool with_namespace) {
  const Token& token = current();
  auto node = make(ExpressionKind::constant, token.line);
  switch (token.kind) {
    case TokenKind::name:
      advance();
      if (token.text == "true" || token.text == "True") {
        node->constant = true;
      } else if (token.text == "false" || token.text == "False") {
        node->constant = false;
      } else if (token.text == "none" || token.text == "None") {
        node->constant = None{};
      } else {
        node->kind = ExpressionKind::name;
        node->name = token.text;
        if (with_namespace && skip_op(".")) {
          node->kind = ExpressionKind::namespace_ref;
          node->attribute = expect_identifier();
        }
      }
      return node;
    case TokenKind::string: {
      std::string text;
      while (current().kind == TokenKind::string) text += advance().text;
      node->constant = constant_text(std::move(text));
      return node;
    }
    case TokenKind::integer:
      node->constant = advance().integer;
      return node;
    case TokenKind::floating:
      node->constant = advance().floating;
      return node;
    default:
      break;
  }
  if (skip_op("(")) {
    ExpressionPtr inner = parse_tuple(true, {}, true);
    expect_op(")");
    return inner;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  error(token.line, "unexpected '{}'", described(token));
}

ExpressionPtr ExpressionParser::parse_tuple(bool with_conditional, std::string_view ends_at, bool in_parentheses) {
  auto tuple = make(ExpressionKind::tuple, current().line);
  bool is_tuple = false;
  for (;;) {
    if (!tuple->operands.empty()) expect_op(",");
    const Token& token = current();
    if (token.kind == TokenKind::variable_end || token.kind == TokenKind::block_end || token.is_op(")") ||
        (!ends_at.empty() && token.is_name(ends_at))) {
      break;
    }
    add_operand(*tuple, with_conditional ? parse_conditional() : parse_or());
    if (!current().is_op(",")) break;
    is_tuple = true;
  }
  if (is_tuple || (tuple->operands.empty() && in_parentheses)) return tuple;
  if (tuple->operands.empty()) error(current().line, "Expected an expression, got '{}'", described(current()));
  return std::move(tuple->operands[0]);
}

void ExpressionParser::check_target(const Expression& target) const {
  const bool tuple = target.kind == ExpressionKind::tuple;
  if (!tuple && target.kind != ExpressionKind::name && target.kind != ExpressionKind::namespace_ref) {
    error(target.line, "can't assign to an expression");
  }
  for (const auto& operand : target.operands) check_target(*operand);
}

ExpressionPtr ExpressionParser::parse_target_tuple(std::string_view ends_at, bool with_namespace) {
  auto tuple = make(ExpressionKind::tuple, current().line);
  bool is_tuple = false;
  for (;;) {
    if (!tuple->operands.empty()) expect_op(",");
    const Token& token = current();
    if (token.kind == TokenKind::block_end || token.is_op(")") || (!ends_at.empty() && token.is_name(ends_at))) break;
    add_operand(*tuple, parse_primary(with_namespace));
    if (!current().is_op(",")) break;
    is_tuple = true;
  }
  if (tuple->operands.empty()) error(current().line, "Expected an expression, got '{}'", described(current()));
  ExpressionPtr target = is_tuple ? std::move(tuple) : std::move(tuple->operands[0]);
  check_target(*target);
  return target;
}

ExpressionPtr ExpressionParser::parse_name_target() {
  auto node = make(ExpressionKind::name, current().line);
  node->name = expect_identifier();
  return node;
}

ExpressionPtr ExpressionParser::parse_list() {
  auto node = make(ExpressionKind::list, advance().line);
  while (!current().is_op("]")) {
    if (!node->operands.empty()) expect_op(",");
    if (current().is_op("]")) break;
    add_operand(*node, parse_expression());
  }
  expect_op("]");
  return node;
}

ExpressionPtr ExpressionParser::parse_dict() {
  auto node = make(ExpressionKind::dict, advance().line);
  while (!current().is_op("}")) {
    if (!node->operands.empty()) expect_op(",");
    if (current().is_op("}")) break;
    add_operand(*node, parse_expression());
    expect_op(":");
    add_operand(*node, parse_expression());
  }
  expect_op("}");
  return node;
}

ExpressionPtr ExpressionParser::parse_postfix(ExpressionPtr node) {
  for (;;) {
    if (current().is_op(".") || current().is_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::parse_filters_and_tests(ExpressionPtr node) {
  for (;;) {
    if (current().is_op("|")) {
      node = parse_filters(std::move(node), false);
    } else if (current().is_name("is")) {
      node = parse_test(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::parse_subscript(ExpressionPtr node) {
  const Token& token = advance();
  if (token.is_op(".")) {
    const Token& attribute = advance();
    if (attribute.kind == TokenKind::name) {
      auto result = make(ExpressionKind::get_attribute, token.line);
      result->name = attribute.text;
      return with_operands(std::move(result), {&node});
    }
    if (attribute.kind != TokenKind::integer) error(attribute.line, "expected name or number");
    auto key = make(ExpressionKind::constant, attribute.line);
    key->constant = attribute.integer;
    return with_operands(make(ExpressionKind::get_item, token.line), {&node, &key});
  }
  auto keys = make(ExpressionKind::tuple, token.line);
  while (!current().is_op("]")) {
    if (!keys->operands.empty()) expect_op(",");
    add_operand(*keys, parse_subscribed());
  }
  expect_op("]");
  if (keys->operands.size() != 1) return with_operands(make(ExpressionKind::get_item, token.line), {&node, &keys});
  ExpressionPtr key = std::move(keys->operands[0]);
  if (key->kind != ExpressionKind::slice) {
    return with_operands(make(ExpressionKind::get_item, token.line), {&node, &key});
  }
  auto slice = with_operands(make(ExpressionKind::slice, key->line), {&node});
  for (ExpressionPtr& bound : key->operands) add_operand(*slice, std::move(bound));
  return slice;
}

/// One index, or start:stop:step with null for what is left out (the sliced value is put before them later).
ExpressionPtr ExpressionParser::parse_subscribed() {
  const int line = current().line;
  ExpressionPtr start;
  if (!current().is_op(":")) {
    start = parse_expression();
    if (!current().is_op(":")) return start;
  }
  expect_op(":");
  const auto absent = [&] { return current().is_op(":") || current().is_op("]") || current().is_op(","); };
  ExpressionPtr stop;
  ExpressionPtr step;
  if (!absent()) stop = parse_expression();
  if (skip_op(":") && !absent()) step = parse_expression();
  return with_operands(make(ExpressionKind::slice, line), {&start, &stop, &step});
}

void ExpressionParser::parse_arguments(Expression& call) {
  using Kind = Argument::Kind;
  const int line = current().line;
  expect_op("(");
  const auto has = [&](Kind kind) {
    return std::any_of(call.arguments.begin(), call.arguments.end(), [&](const Argument& a) { return a.kind == kind; });
  };
  bool comma = false;
  while (!current().is_op(")")) {
    if (comma) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    comma = true;
    Argument argument;
    bool fits = !has(Kind::unpack_dict);
    if (skip_op("*")) {
      argument.kind = Kind::unpack_list;
      fits = fits && !has(Kind::unpack_list);
    } else if (skip_op("**")) {
      argument.kind = Kind::unpack_dict;
    } else if (current().kind == TokenKind::name && look().is_op("=")) {
      argument.kind = Kind::named;
      argument.name = advance().text;
      advance();
    } else {
      fits = fits && !has(Kind::unpack_list) && !has(Kind::named);
    }
    if (!fits) error(line, "invalid syntax for function call expression");
    argument.value = parse_expression();
    call.depth = std::max(call.depth, argument.value->depth + 1);
    call.arguments.push_back(std::move(argument));
  }
  expect_op(")");
}

ExpressionPtr ExpressionParser::parse_call(ExpressionPtr node) {
  auto call = with_operands(make(ExpressionKind::call, current().line), {&node});
  parse_arguments(*call);
  return call;
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect_identifier();
  while (skip_op(".")) {
    name += '.';
    name += expect_identifier();
  }
  return name;
}

ExpressionPtr ExpressionParser::parse_filters(ExpressionPtr subject, bool inline_start) {
  while (inline_start || current().is_op("|")) {
    if (!inline_start) advance();
    inline_start = false;
    auto node = make(ExpressionKind::filter, current().line);
    node->name = dotted_name();
    node->filter = find_filter(node->name);
    node = with_operands(std::move(node), {&subject});
    if (current().is_op("(")) parse_arguments(*node);
    subject = std::move(node);
  }
  return subject;
}

ExpressionPtr ExpressionParser::parse_test(ExpressionPtr subject) {
  const int line = advance().line;
  const bool negated = skip_name("not");
  auto node = make(ExpressionKind::test, line);
  node->name = dotted_name();
  node->test = find_test(node->name);
  node = with_operands(std::move(node), {&subject});
  const Token& token = current();
  const bool is_argument = token.kind == TokenKind::name || token.kind == TokenKind::string ||
                           token.kind == TokenKind::integer || token.kind == TokenKind::floating || token.is_op("[") ||
                           token.is_op("{");
  if (token.is_op("(")) {
    parse_arguments(*node);
  } else if (is_argument && !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
    if (token.is_name("is")) error(token.line, "You cannot chain multiple tests with is");
    Argument argument;
    argument.value = parse_postfix(parse_primary(false));
    node->depth = std::max(node->depth, argument.value->depth + 1);
    node->arguments.push_back(std::move(argument));
  }
  if (!negated) return node;
  return with_operands(make(ExpressionKind::logical_not, line), {&node});
}

}  // namespace bitnet::jinja
