#include "cli/prompts.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fail.h"
#include "base/text_file.h"

namespace bitnet::cli {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

}  // namespace

std::string read_stdin() {
  std::string text;
  std::string chunk(std::size_t{64} << 10, '\0');
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(ErrorKind::io, "cannot read the prompt from standard input: {}", std::strerror(errno));
    text.append(chunk, 0, static_cast<std::size_t>(count));
    if (text.size() > kMaxBytes) fail(ErrorKind::limit, "the prompt on standard input is longer than 64 MiB");
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::vector<std::string> read_prompts(const std::string& path) {
  std::string text = path == "-" ? read_stdin() : read_text_file(path, kMaxBytes);
  if (text.empty()) {
    fail(ErrorKind::invalid_argument, "{} holds no prompt; expected one a line", path == "-" ? "standard input" : path);
  }
  if (path != "-" && text.ends_with('\n')) text.pop_back();
  std::vector<std::string> prompts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string& prompt = prompts.emplace_back(text, begin, end - begin);
    if (prompt.ends_with('\r')) prompt.pop_back();  // of a file from Windows
    begin = end + 1;
  }
  return prompts;
}

}  // namespace bitnet::cli
