#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet::jinja {

enum class TokenKind {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  floating,
  op,
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  int line = 1;
  std::string text;  ///< data, name, unescaped string, or the operator's characters
  std::int64_t integer = 0;
  double floating = 0;

  [[nodiscard]] bool is_op(std::string_view op) const { return kind == TokenKind::op && text == op; }
  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

/// Splits a template as Jinja does with trim_blocks and lstrip_blocks on. The last token is of kind `end`.
/// Throws Error(corrupt), naming `source_name` and the line.
[[nodiscard]] std::vector<Token> tokenize(std::string_view source, std::string_view source_name);

}  // namespace bitnet::jinja
