#include "net/backoff.h"

#include <algorithm>

namespace bitnet::net {

bool Backoff::again(const Response& failed) {
  using std::chrono::milliseconds;
  if (failed.ending != Ending::again || ++failures_ >= policy_.attempts) return false;
  const milliseconds full = std::min(policy_.longest, policy_.first * (1 << std::min(failures_ - 1, 20)));
  milliseconds wait(std::uniform_int_distribution<milliseconds::rep>(full.count() / 2, full.count())(random_));
  if (failed.retry_after) {
    if (*failed.retry_after > policy_.longest_asked) return false;
    wait = std::max(wait, milliseconds(*failed.retry_after));
  }
  return policy_.sleep(wait);
}

}  // namespace bitnet::net
