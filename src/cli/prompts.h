#pragma once
/// Where prompts come from besides the command line.

#include <string>
#include <vector>

namespace bitnet::cli {

/// All of standard input, without the newline that `echo` and editors put at the end.
/// Throws Error(io), or Error(limit) for more than 64 MiB.
[[nodiscard]] std::string read_stdin();

/// The lines of a file ("-": standard input), each a prompt; an empty line is an empty one.
/// Throws as read_stdin, Error(not_found), and Error(invalid_argument) when there is none.
[[nodiscard]] std::vector<std::string> read_prompts(const std::string& path);

}  // namespace bitnet::cli
