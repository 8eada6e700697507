#pragma once

#include <csignal>

namespace bitnet::cli {

constexpr int kInterruptedStatus = 130;  ///< 128 + SIGINT, as shells report it

/// While one is alive, Ctrl-C (SIGINT) sets a flag in place of ending the program. One at a time.
class Interrupt {
 public:
  enum class Second {
    ignored,       ///< Ctrl-C never ends the program
    ends_program,  ///< a second Ctrl-C does, for someone who will not wait
  };
  explicit Interrupt(Second second);
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();

  /// Whether Ctrl-C was pressed since construction or the last clear().
  [[nodiscard]] static bool requested();
  static void clear();

 private:
  struct sigaction before_;
};

}  // namespace bitnet::cli
