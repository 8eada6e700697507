#include <cmath>
#include <limits>

#include "kernels/scalar/lanes.h"
#include "kernels/scalar/ops.h"

namespace bitnet::kernels::scalar {

void softmax(float* x, std::int64_t n) {
  float largest = -std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < n; ++i) {
    if (x[i] > largest) largest = x[i];
  }
  float lane[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = exp(x[i] - largest);
    lane[i % kLanes] += x[i];
  }
  const float sum = fold(lane);
  for (std::int64_t i = 0; i < n; ++i) x[i] /= sum;
}

}  // namespace bitnet::kernels::scalar
