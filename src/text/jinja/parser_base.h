#pragma once
/// The stream of tokens, and the grammar of expressions.

#include <initializer_list>

#include "base/fail.h"
#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace bitnet::jinja {

class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, const std::string& source_name)
      : tokens_(std::move(tokens)), source_name_(source_name) {}

 protected:
  /// One level of nesting of the grammar while it lives.
  class Level {
   public:
    explicit Level(ExpressionParser& parser);
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --parser_.nesting_; }

   private:
    ExpressionParser& parser_;
  };

  template <typename... Args>
  [[noreturn]] void error(int line, fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::corrupt, "{}, line {}: {}", source_name_, line, fmt::format(format, std::forward<Args>(args)...));
  }

  [[nodiscard]] const Token& current() const { return tokens_[position_]; }
  [[nodiscard]] const Token& look() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
  const Token& advance();
  bool skip_name(std::string_view name);
  bool skip_op(std::string_view op);
  void expect_op(std::string_view op);
  void expect_name(std::string_view name);
  void expect(TokenKind kind);
  std::string expect_identifier();
  [[nodiscard]] static std::string described(const Token& token);

  ExpressionPtr parse_expression() { return parse_conditional(); }
  /// `ends_at`: a name that ends the tuple, such as the "in" of a loop.
  ExpressionPtr parse_tuple(bool with_conditional, std::string_view ends_at = {}, bool in_parentheses = false);
  ExpressionPtr parse_target_tuple(std::string_view ends_at, bool with_namespace);
  ExpressionPtr parse_name_target();
  /// The filters behind `subject`, null in a filter block. `inline_start`: the first one has no bar before it.
  ExpressionPtr parse_filters(ExpressionPtr subject, bool inline_start);

  [[nodiscard]] ExpressionPtr make(ExpressionKind kind, int line) const;
  [[nodiscard]] ExpressionPtr with_operands(ExpressionPtr node, std::initializer_list<ExpressionPtr*> operands) const;
  [[nodiscard]] const std::string& source_name() const { return source_name_; }

 private:
  friend class Level;
  void add_operand(Expression& node, ExpressionPtr operand) const;
  using Rule = ExpressionPtr (ExpressionParser::*)();
  /// Operands of one rule with operators between them, grouped from the left.
  ExpressionPtr parse_logical(ExpressionKind kind, std::string_view name, Rule operand);
  ExpressionPtr parse_arithmetic(std::initializer_list<std::string_view> ops, Rule operand);
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_operand() { return parse_unary(true); }
  ExpressionPtr parse_unary(bool with_filters);
  ExpressionPtr parse_primary(bool with_namespace);
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filters_and_tests(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_subscribed();
  ExpressionPtr parse_test(ExpressionPtr node);
  ExpressionPtr parse_call(ExpressionPtr node);
  void parse_arguments(Expression& call);
  std::string dotted_name();
  void check_target(const Expression& target) const;

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  int nesting_ = 0;
  const std::string& source_name_;
};

}  // namespace bitnet::jinja
