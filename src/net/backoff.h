#pragma once

#include <chrono>
#include <functional>
#include <random>

#include "net/http_client.h"

namespace bitnet::net {

struct RetryPolicy {
  int attempts = 6;                                      ///< in a row without progress, the first one included
  std::chrono::milliseconds first{500};                  ///< wait after the first failure; doubles each time
  std::chrono::milliseconds longest{8000};               ///< as far as this
  std::chrono::seconds longest_asked{120};               ///< a server that asks for a longer wait is given up
  std::function<bool(std::chrono::milliseconds)> sleep;  ///< false: the wait was ended, and so is the work
};

/// Waits between the attempts of one piece of work.
class Backoff {
 public:
  explicit Backoff(const RetryPolicy& policy) : policy_(policy) {}

  /// After an attempt failed with Ending::again: waits, and says whether there is another one. Waits half to all of
  /// the exponential time, at random, so that clients which failed together do not come back together; and at least
  /// what the server asked for (Retry-After).
  [[nodiscard]] bool again(const Response& failed);
  /// An attempt brought something: the next failure is the first one again.
  void progressed() { failures_ = 0; }
  [[nodiscard]] int failures() const { return failures_; }

 private:
  const RetryPolicy& policy_;
  int failures_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace bitnet::net
