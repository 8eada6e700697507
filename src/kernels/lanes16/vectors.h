#pragma once
/// Loops over sixteen floats at a time, shared by the vector tables.
///
/// The files of lanes16/ say the float operations once, over a type `Lanes` of sixteen floats. An instruction set's
/// table.cpp includes its own lanes.h first, which gives Lanes, and for it:
///   splat, load, store of whole vectors; load_part (+0 beyond n) and store_part (n < 16), for float, F16 and Bf16;
///   load and load_part of int8;
///   add, sub, mul, div, fma (a · b + c, rounded once), abs; greater (a > b ? a : b, so that NaN in `a` loses);
///   select_less (a < b ? yes : no), select_nan; scale_by_power (see exp.h); fold_sum and fold_greater (in halves);
///   store_int8 and the sizes of register tiles that suit its registers; IntLanes, sixteen 32-bit integers, with
///   splat_int, load_ints, store_ints, cut_off (of a float), twice_less (2 · a - b), or_shifted (a | b << shift),
///   to_float, nibbles<K> (the signed nibble K of each lane, as a float) and load_nibbles (sixteen from a pair of
///   words, pack/kv_block.h).
/// All of it stays in unnamed namespaces: the linker must never merge a function that was compiled for one processor
/// with a copy that another one runs.

#include <cstdint>

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kLanes = 16;

constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

struct Whole {};
struct Part {
  std::int64_t n;
};

template <typename Element>
inline Lanes load(const Element* p, Whole) {
  return load(p);
}
template <typename Element>
inline Lanes load(const Element* p, Part part) {
  return load_part(p, part.n);
}
template <typename Element>
inline void store(Element* p, Lanes a, Whole) {
  store(p, a);
}
template <typename Element>
inline void store(Element* p, Lanes a, Part part) {
  store_part(p, part.n, a);
}

/// fold_sum of each; an instruction set may have its own for some R.
template <int R>
inline void fold_sums(const Lanes (&a)[R], float (&sums)[R]) {
  for (int r = 0; r < R; ++r) sums[r] = fold_sum(a[r]);
}

/// Calls f(i, Whole) for each whole vector of n elements and f(i, Part) for the rest.
template <typename F>
inline void for_vectors(std::int64_t n, F f) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, Whole{});
  if (i < n) f(i, Part{n - i});
}

}  // namespace
}  // namespace bitnet::kernels
