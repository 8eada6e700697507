#include "cli/download.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <deque>

#include "base/fail.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/results.h"

namespace bitnet::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string in_words(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

/// The rate of the last seconds, as what comes next will be like them.
class Rate {
 public:
  /// Bytes a second; 0 while it is not known.
  double update(std::int64_t bytes) {
    const Clock::time_point now = Clock::now();
    samples_.push_back({now, bytes});
    while (samples_.size() > 2 && now - samples_[1].time > std::chrono::seconds(5)) samples_.pop_front();
    const double seconds = std::chrono::duration<double>(now - samples_.front().time).count();
    const auto gained = static_cast<double>(bytes - samples_.front().bytes);
    return seconds > 0 && gained > 0 ? gained / seconds : 0;
  }

 private:
  struct Sample {
    Clock::time_point time;
    std::int64_t bytes;
  };
  std::deque<Sample> samples_;
};

/// "  1.2 GB of 1.5 GB, 98.0 MB/s, 3 s left"
std::string note(const PullProgress& progress, double rate) {
  const auto total = static_cast<double>(progress.total_bytes);
  const auto left = total - static_cast<double>(progress.bytes);
  std::string text = fmt::format("  {} of {}", format_bytes(static_cast<double>(progress.bytes)), format_bytes(total));
  if (rate <= 0) return text;
  return text + fmt::format(", {}/s, {} left", format_bytes(rate), in_words(std::llround(std::ceil(left / rate))));
}

}  // namespace

Pulled pull_model(const std::string& id, HubOptions options) {
  Pulled pulled;
  Progress bar("Downloading");
  Rate rate;
  const Interrupt interrupt(Interrupt::Second::ends_program);
  options.on_progress = [&](const PullProgress& progress) {
    if (progress.total_bytes > 0) {
      const double share = static_cast<double>(progress.bytes) / static_cast<double>(progress.total_bytes);
      bar.update(share, note(progress, rate.update(progress.bytes)));
      pulled.bytes = progress.total_bytes;
    }
    return !Interrupt::requested();
  };
  options.log = [&](const std::string& message) {
    bar.finish();
    report("note", message);
  };
  try {
    pulled.path = pull(id, options);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) throw;
    fail(ErrorKind::cancelled, "stopped; what was downloaded is kept, and the next pull of {} continues", id);
  }
  return pulled;
}

}  // namespace bitnet::cli
