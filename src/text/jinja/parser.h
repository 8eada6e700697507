#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace bitnet::jinja {

/// Statements and expressions of a template, with every variable's slot found (resolver.h). Throws Error(corrupt) for
/// wrong syntax, Error(unsupported) for tags that need other templates, Error(limit) when it nests too deep; each
/// names `source_name` and the line.
[[nodiscard]] Tree parse(std::string_view source, const std::string& source_name);

}  // namespace bitnet::jinja
