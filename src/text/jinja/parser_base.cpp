#include "text/jinja/parser_base.h"

#include <algorithm>
#include <array>

namespace bitnet::jinja {
namespace {

constexpr int kMaxNesting = 300;
constexpr int kMaxExpressionDepth = 250;

}  // namespace

ExpressionParser::Level::Level(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) {
    fail(ErrorKind::limit, "{}, line {}: the template nests deeper than {} levels", parser_.source_name_,
         parser_.current().line, kMaxNesting);
  }
}

const Token& ExpressionParser::advance() {
  const Token& token = tokens_[position_];
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}
bool ExpressionParser::skip_name(std::string_view name) {
  if (!current().is_name(name)) return false;
  advance();
  return true;
}
bool ExpressionParser::skip_op(std::string_view op) {
  if (!current().is_op(op)) return false;
  advance();
  return true;
}
void ExpressionParser::expect_op(std::string_view op) {
  if (!skip_op(op)) error(current().line, "expected token '{}', got '{}'", op, described(current()));
}
void ExpressionParser::expect_name(std::string_view name) {
  if (!skip_name(name)) error(current().line, "expected token '{}', got '{}'", name, described(current()));
}
void ExpressionParser::expect(TokenKind kind) {
  if (current().kind != kind) {
    Token wanted;
    wanted.kind = kind;
    error(current().line, "expected token '{}', got '{}'", described(wanted), described(current()));
  }
  advance();
}
std::string ExpressionParser::expect_identifier() {
  if (current().kind != TokenKind::name) error(current().line, "expected token 'name', got '{}'", described(current()));
  return advance().text;
}

std::string ExpressionParser::described(const Token& token) {
  constexpr std::array<std::string_view, 11> kKinds = {"template data / text",
                                                       "begin of print statement",
                                                       "end of print statement",
                                                       "begin of statement block",
                                                       "end of statement block",
                                                       "name",
                                                       "string",
                                                       "integer",
                                                       "float",
                                                       "operator",
                                                       "end of template"};
  if (token.kind == TokenKind::name || token.kind == TokenKind::op) return token.text;
  return std::string(kKinds[static_cast<std::size_t>(token.kind)]);
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind, int line) const {
  auto node = std::make_unique<Expression>();
  node->kind = kind;
  node->line = line;
  return node;
}

void ExpressionParser::add_operand(Expression& node, ExpressionPtr operand) const {
  if (operand) node.depth = std::max(node.depth, operand->depth + 1);
  if (node.depth > kMaxExpressionDepth) {
    fail(ErrorKind::limit, "{}, line {}: an expression is more than {} levels deep", source_name_, node.line,
         kMaxExpressionDepth);
  }
  node.operands.push_back(std::move(operand));
}

ExpressionPtr ExpressionParser::with_operands(ExpressionPtr node,
                                              std::initializer_list<ExpressionPtr*> operands) const {
  for (ExpressionPtr* operand : operands) add_operand(*node, std::move(*operand));
  return node;
}

}  // namespace bitnet::jinja
