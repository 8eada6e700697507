#include "cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace bitnet::cli_test {
namespace {

constexpr int kPatienceMs = 120'000;  // far more than anything takes, so that a hang fails and does not hang the tests

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return ends;
}

[[noreturn]] void exec_program(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = {const_cast<char*>(BITNET_PROGRAM)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(BITNET_PROGRAM, argv.data());
  _exit(127);
}

/// Appends what can be read; false at the end, on errors and when patience is over.
bool read_more(int fd, std::string& text) {
  pollfd wait{fd, POLLIN, 0};
  if (poll(&wait, 1, kPatienceMs) <= 0) return false;
  std::array<char, 4096> chunk{};
  const ssize_t count = read(fd, chunk.data(), chunk.size());
  if (count <= 0) return false;
  text.append(chunk.data(), static_cast<std::size_t>(count));
  return true;
}

int wait_status(pid_t pid) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(kPatienceMs);
  int status = 0;
  pid_t done = 0;
  while ((done = waitpid(pid, &status, WNOHANG)) == 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (done == 0) {
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Program::Program(const Start& start) {
  const auto in = make_pipe();
  const auto out = make_pipe();
  const auto err = make_pipe();
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(start.output_path.empty() ? out[1] : open(start.output_path.c_str(), O_WRONLY), STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (const auto& [name, value] : start.environment) setenv(name.c_str(), value.c_str(), 1);
    exec_program(start.arguments);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  out_ = out[0];
  err_ = err[0];
  // Inputs of these tests fit into a pipe's buffer, so that writing does not wait for the program.
  const ssize_t written = write(in[1], start.input.data(), start.input.size());
  close(in[1]);
  if (written != static_cast<ssize_t>(start.input.size())) throw std::runtime_error("the input does not fit a pipe");
}

Program::~Program() {
  close_out();
  if (err_ >= 0) close(err_);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

std::string Program::read_out(std::size_t bytes) {
  while (out_text_.size() < bytes && read_more(out_, out_text_)) {
  }
  return out_text_;
}

void Program::close_out() {
  if (out_ >= 0) close(out_);
  out_ = -1;
}

void Program::signal(int number) const { kill(pid_, number); }

Outcome Program::finish() {
  Outcome outcome;
  // One stream after the other would block when the second one's pipe is full; so the second has its own reader.
  std::thread errors([&] {
    while (read_more(err_, outcome.err)) {
    }
  });
  if (out_ >= 0) read_out(static_cast<std::size_t>(-1));
  errors.join();
  outcome.out = out_text_;
  outcome.status = wait_status(pid_);
  pid_ = -1;
  return outcome;
}

Outcome run(const Start& start) { return Program(start).finish(); }

Outcome run(std::vector<std::string> arguments) { return run(Start{std::move(arguments), {}, {}, {}}); }

TerminalProgram::TerminalProgram(const std::vector<std::string>& arguments) {
  pid_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
  if (pid_ < 0) throw std::runtime_error("forkpty failed");
  if (pid_ == 0) {
    setenv("TERM", "dumb", 1);  // no escape sequences between the words that tests look for
    exec_program(arguments);
  }
}

TerminalProgram::~TerminalProgram() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(terminal_);
}

void TerminalProgram::type(const std::string& text) const {
  if (write(terminal_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("cannot write to the terminal");
  }
}

bool TerminalProgram::read_some() { return read_more(terminal_, unread_); }

std::string TerminalProgram::wait_for(const std::string& text) {
  std::size_t at = 0;
  while ((at = unread_.find(text)) == std::string::npos) {
    if (!read_some()) return {};
  }
  std::string seen = unread_.substr(0, at + text.size());
  unread_.erase(0, at + text.size());
  return seen;
}

int TerminalProgram::finish() {
  while (read_some()) {
  }
  const int status = wait_status(pid_);
  pid_ = -1;
  return status;
}

}  // namespace bitnet::cli_test
