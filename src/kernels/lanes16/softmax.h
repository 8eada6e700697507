#pragma once

#include "kernels/lanes16/exp.h"

namespace bitnet::kernels {
namespace {

void softmax(float* x, std::int64_t n) {
  const Lanes lowest = splat(-__builtin_inff());
  Lanes most = lowest;
  for_vectors(n, [&](std::int64_t i, auto part) {
    if constexpr (requires { part.n; }) {
      // The last vector, once more from its end, or one by one in a short row: padding would count as 0.
      if (n >= kLanes) {
        most = greater(load(x + n - kLanes), most);
      } else {
        for (std::int64_t j = 0; j < n; ++j) most = greater(splat(x[j]), most);
      }
    } else {
      most = greater(load(x + i, part), most);
    }
  });
  const Lanes largest = splat(fold_greater(most));
  Lanes sums = splat(0.0F);
  for_vectors(n, [&](std::int64_t i, auto part) {
    store(x + i, exp(sub(load(x + i, part), largest)), part);
    sums = add(sums, load(x + i, part));
  });
  const Lanes sum = splat(fold_sum(sums));
  for_vectors(n, [&](std::int64_t i, auto part) { store(x + i, div(load(x + i, part), sum), part); });
}

}  // namespace
}  // namespace bitnet::kernels
