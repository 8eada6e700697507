#include "text/jinja/parser.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/parser_base.h"
#include "text/jinja/resolver.h"

namespace bitnet::jinja {
namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body run() {
    Body body = parse_body({});
    return body;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  [[nodiscard]] static StatementPtr make_statement(StatementKind kind, int line) {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->line = line;
    return statement;
  }

  /// Statements up to a tag named one of `ends` (which stays current), or to the end of the template.
  Body parse_body(Ends ends) {
    const Level level(*this);
    Body body;
    while (current().kind != TokenKind::end) {
      const Token& token = advance();
      if (token.kind == TokenKind::data) {
        auto statement = make_statement(StatementKind::text, token.line);
        statement->text = token.text;
        statement->text_length = count_code_points(token.text);
        body.push_back(std::move(statement));
      } else if (token.kind == TokenKind::variable_begin) {
        body.push_back(make_statement(StatementKind::output, token.line));
        body.back()->value = parse_tuple(true);
        expect(TokenKind::variable_end);
      } else {
        const auto is_end = [&](std::string_view end) { return current().is_name(end); };
        if (std::any_of(ends.begin(), ends.end(), is_end)) return body;
        parse_statement(body);
        expect(TokenKind::block_end);
      }
    }
    if (ends.size() > 0) {
      error(current().line, "Unexpected end of template. Jinja was looking for the following tags: '{}'.",
            fmt::join(ends, "' or '"));
    }
    return body;
  }

  /// The body of a tag; the end tag's name stays current.
  Body parse_inside(Ends ends) {
    skip_op(":");
    expect(TokenKind::block_end);
    return parse_body(ends);
  }

  Body parse_until(std::string_view end) {
    Body body = parse_inside({end});
    advance();
    return body;
  }

  void parse_statement(Body& body) {
    if (current().kind != TokenKind::name) error(current().line, "tag name expected");
    const Token& tag = advance();
    if (tag.text == "print") return parse_print(body, tag.line);
    body.push_back(parse_tag(tag));
  }

  StatementPtr parse_tag(const Token& tag) {
    const std::string& name = tag.text;
    if (name == "for") return parse_for(tag.line);
    if (name == "if") return parse_if(tag.line);
    if (name == "set") return parse_set(tag.line);
    if (name == "macro") return parse_macro(tag.line);
    if (name == "call") return parse_call_block(tag.line);
    if (name == "filter") return parse_filter_block(tag.line);
    if (name == "with") return parse_with(tag.line);
    if (name == "block") return parse_block(tag.line);
    if (name == "generation") {
      auto statement = make_statement(StatementKind::generation, tag.line);
      statement->body = parse_until("endgeneration");
      return statement;
    }
    if (name == "break") return make_statement(StatementKind::break_loop, tag.line);
    if (name == "continue") return make_statement(StatementKind::continue_loop, tag.line);
    constexpr std::string_view kUnsupported[] = {"extends", "include", "import", "from", "autoescape"};
    if (std::find(std::begin(kUnsupported), std::end(kUnsupported), name) != std::end(kUnsupported)) {
      fail(ErrorKind::unsupported, "{}, line {}: the tag '{}' is not supported in chat templates", source_name(),
           tag.line, name);
    }
    error(tag.line, "Encountered unknown tag '{}'.", name);
  }

  void parse_print(Body& body, int line) {
    for (bool first = true; current().kind != TokenKind::block_end; first = false) {
      if (!first) expect_op(",");
      body.push_back(make_statement(StatementKind::output, line));
      body.back()->value = parse_expression();
    }
  }

  StatementPtr parse_for(int line) {
    auto statement = make_statement(StatementKind::for_loop, line);
    statement->target = parse_target_tuple("in", false);
    expect_name("in");
    statement->value = parse_tuple(false, "recursive");
    if (skip_name("if")) statement->condition = parse_expression();
    statement->recursive = skip_name("recursive");
    statement->body = parse_inside({"endfor", "else"});
    if (advance().text == "else") statement->otherwise = parse_until("endfor");
    return statement;
  }

  StatementPtr parse_if(int line) {
    auto statement = make_statement(StatementKind::if_chain, line);
    for (;;) {
      Branch branch;
      branch.condition = parse_tuple(false);
      branch.body = parse_inside({"elif", "else", "endif"});
      statement->branches.push_back(std::move(branch));
      const std::string& next = advance().text;
      if (next == "elif") continue;
      if (next == "else") statement->otherwise = parse_until("endif");
      return statement;
    }
  }

  StatementPtr parse_set(int line) {
    auto statement = make_statement(StatementKind::set, line);
    statement->target = parse_target_tuple({}, true);
    if (skip_op("=")) {
      statement->value = parse_tuple(true);
      return statement;
    }
    statement->kind = StatementKind::set_block;
    statement->value = parse_filters(nullptr, false);
    statement->body = parse_until("endset");
    return statement;
  }

  void parse_signature(Statement& statement) {
    expect_op("(");
    bool defaults = false;
    while (!current().is_op(")")) {
      if (!statement.function.parameters.empty()) expect_op(",");
      Parameter parameter;
      parameter.name = expect_identifier();
      if (skip_op("=")) {
        parameter.otherwise = parse_expression();
        defaults = true;
      } else if (defaults) {
        error(current().line, "non-default argument follows default argument");
      }
      statement.function.parameters.push_back(std::move(parameter));
    }
    expect_op(")");
  }

  StatementPtr parse_macro(int line) {
    auto statement = make_statement(StatementKind::macro, line);
    statement->text = expect_identifier();
    parse_signature(*statement);
    statement->body = parse_until("endmacro");
    return statement;
  }

  StatementPtr parse_call_block(int line) {
    auto statement = make_statement(StatementKind::call_block, line);
    if (current().is_op("(")) parse_signature(*statement);
    statement->value = parse_expression();
    if (statement->value->kind != ExpressionKind::call) error(line, "expected call");
    statement->body = parse_until("endcall");
    return statement;
  }

  StatementPtr parse_filter_block(int line) {
    auto statement = make_statement(StatementKind::filter_block, line);
    statement->value = parse_filters(nullptr, true);
    statement->body = parse_until("endfilter");
    return statement;
  }

  StatementPtr parse_with(int line) {
    auto statement = make_statement(StatementKind::with, line);
    while (current().kind != TokenKind::block_end) {
      if (!statement->assignments.empty()) expect_op(",");
      ExpressionPtr target = parse_target_tuple({}, false);
      expect_op("=");
      statement->assignments.emplace_back(std::move(target), parse_expression());
    }
    statement->body = parse_until("endwith");
    return statement;
  }

  StatementPtr parse_block(int line) {
    auto statement = make_statement(StatementKind::block, line);
    statement->text = expect_identifier();
    while (skip_name("scoped") || skip_name("required")) {
    }
    statement->body = parse_until("endblock");
    skip_name(statement->text);
    return statement;
  }
};

}  // namespace

Tree parse(std::string_view source, const std::string& source_name) {
  Tree tree;
  tree.body = Parser(tokenize(source, source_name), source_name).run();
  resolve(tree, source_name);
  return tree;
}

}  // namespace bitnet::jinja
