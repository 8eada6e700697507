#pragma once

#include "text/jinja/ast.h"

namespace bitnet::jinja {

/// Gives every variable of the tree its slot, by Jinja's own rules of scope: what a loop, macro or block brings in
/// when it is entered, which names it sets for itself, and which it shares with the code around it. Also refuses what
/// Jinja refuses when it compiles (unknown filters, `break` outside a loop, ...). Throws Error(corrupt).
void resolve(Tree& tree, const std::string& source_name);

}  // namespace bitnet::jinja
