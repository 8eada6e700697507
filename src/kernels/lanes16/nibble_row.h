#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels {
namespace {

inline Lanes without_padding(Lanes a, Whole) { return a; }
inline Lanes without_padding(Lanes a, Part part) {
  float lanes[kLanes];
  store(lanes, a);
  return load_part(lanes, part.n);
}

template <typename Element>
pack::NibbleSums nibble_row(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales) {
  constexpr std::int64_t kVectors = pack::kNibbleBlockWeights / kLanes;
  const auto* weights = static_cast<const Element*>(row);
  const Lanes zero = splat(0.0F);
  Lanes most = zero;
  for_vectors(n, [&](std::int64_t i, auto part) { most = greater(abs(load(weights + i, part)), most); });
  const Lanes step = div(most, splat(15.0F));
  const Lanes largest = splat(65504.0F);
  store(reinterpret_cast<F16*>(scales), select_less(step, largest, step, largest));
  const Lanes scale = load(reinterpret_cast<const F16*>(scales));
  const Lanes inverse = select_less(zero, scale, div(splat(0.5F), scale), zero);

  Lanes errors = zero;
  Lanes squares = zero;
  const auto code_of = [&](std::int64_t i, auto part) {
    const Lanes w = load(weights + i, part);
    const Lanes at = greater(add(mul(w, inverse), splat(8.0F)), zero);
    const IntLanes code = cut_off(select_less(at, splat(15.0F), at, splat(15.0F)));
    const Lanes copy = mul(to_float(twice_less(code, splat_int(15))), scale);
    const Lanes error = without_padding(sub(w, copy), part);
    errors = fma(error, error, errors);
    squares = fma(w, w, squares);
    return code;
  };
  for (std::int64_t begin = 0; begin < n; begin += pack::kNibbleBlockWeights, codes += pack::kNibbleBlockBytes) {
    IntLanes words = splat_int(0);
    for (std::int64_t v = 0; v < kVectors; ++v) {
      const std::int64_t i = begin + v * kLanes;
      if (i >= n) break;
      const IntLanes code = n - i >= kLanes ? code_of(i, Whole{}) : code_of(i, Part{n - i});
      words = or_shifted(words, code, static_cast<int>(v % 4 * 8 + v / 4 * 4));
    }
    store_ints(codes, words);
  }
  return {fold_sum(errors), fold_sum(squares)};
}

}  // namespace
}  // namespace bitnet::kernels
