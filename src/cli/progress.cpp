#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/console.h"

namespace bitnet::cli {

Progress::Progress(std::string label)
    : label_(std::move(label)), on_(stderr_is_terminal()), next_(Clock::now() + std::chrono::seconds(1)) {}

void Progress::update(double fraction, const std::string& note) {
  constexpr int kWidth = 30;
  if (!on_ || Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::milliseconds(100);
  drawn_ = true;
  const double shown = std::clamp(fraction, 0.0, 1.0);
  const auto filled = static_cast<int>(shown * kWidth);
  write_err(fmt::format("\r{} [{:#<{}}{:.<{}}] {:3.0f} %{}\033[K", label_, "", filled, "", kWidth - filled, shown * 100,
                        note));
}

void Progress::finish() {
  if (drawn_) write_err("\r\033[K");
  drawn_ = false;
}

}  // namespace bitnet::cli
