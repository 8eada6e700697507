#pragma once
/// One function per subcommand, each in the file of its name. They return the program's exit status, and throw
/// UsageError, OutputClosed and bitnet::Error.

#include "cli/command_line.h"

namespace bitnet::cli {

int pull_command(const Arguments& arguments);
int run_command(const Arguments& arguments);
int chat_command(const Arguments& arguments);
int info_command(const Arguments& arguments);
int tokenize_command(const Arguments& arguments);
int verify_command(const Arguments& arguments);
int perplexity_command(const Arguments& arguments);
int embed_command(const Arguments& arguments);
int bench_command(const Arguments& arguments);
int convert_command(const Arguments& arguments);
int quantize_command(const Arguments& arguments);

}  // namespace bitnet::cli
