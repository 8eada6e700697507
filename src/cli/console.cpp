#include "cli/console.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fail.h"

namespace bitnet::cli {
namespace {

/// Returns 0 or the errno of the write that failed.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // another program left our terminal or pipe in non-blocking mode
      pollfd wait{fd, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

void write_out(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text);
  if (error == EPIPE) throw OutputClosed();
  if (error != 0) fail(ErrorKind::io, "cannot write to standard output: {}", std::strerror(error));
}

void write_json(const Json& json) { write_out(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"); }

void write_json_line(const Json& json) { write_out(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); }

void write_err(std::string_view text) { write_all(STDERR_FILENO, text); }

void report(std::string_view kind, std::string_view text) { write_err(fmt::format("bitnet: {}: {}\n", kind, text)); }

bool stdin_is_terminal() { return isatty(STDIN_FILENO) == 1; }
bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

}  // namespace bitnet::cli
