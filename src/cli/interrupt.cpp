#include "cli/interrupt.h"

#include <atomic>

namespace bitnet::cli {
namespace {

std::atomic<bool> g_requested{false};  // a signal handler has no other way to reach us

}  // namespace

Interrupt::Interrupt(Second second) : before_{} {
  clear();
  struct sigaction action {};
  action.sa_handler = [](int /*signal*/) { g_requested = true; };
  // No SA_RESTART: reading a line must return to its caller.
  action.sa_flags = second == Second::ends_program ? static_cast<int>(SA_RESETHAND) : 0;
  sigaction(SIGINT, &action, &before_);
}

Interrupt::~Interrupt() { sigaction(SIGINT, &before_, nullptr); }

bool Interrupt::requested() { return g_requested; }
void Interrupt::clear() { g_requested = false; }

}  // namespace bitnet::cli
