#pragma once

#include <chrono>
#include <string>

namespace bitnet::cli {

/// A bar on standard error for what takes longer than a second. Silent when standard error is not a terminal.
/// update() may be called from one thread at a time.
class Progress {
 public:
  explicit Progress(std::string label);
  ~Progress() { finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `note` stands behind the bar.
  void update(double fraction, const std::string& note = {});
  void finish();  ///< wipes the bar off

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  bool on_;
  bool drawn_ = false;
  Clock::time_point next_;  ///< when to draw again
};

}  // namespace bitnet::cli
