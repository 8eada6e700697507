#pragma once
/// The table of an instruction set that has included its lanes.h, ternary_dot.h, ternary_quads.h and nibble_dot.h
/// before.

#include "kernels/lanes16/activation.h"
#include "kernels/lanes16/attention.h"
#include "kernels/lanes16/dense_gemm.h"
#include "kernels/lanes16/kv_store.h"
#include "kernels/lanes16/nibble_row.h"
#include "kernels/lanes16/nibble_scores.h"
#include "kernels/lanes16/quantize_activations.h"
#include "kernels/lanes16/rms_norm.h"
#include "kernels/lanes16/rope.h"
#include "kernels/lanes16/scale_sums.h"
#include "kernels/lanes16/softmax.h"
#include "kernels/lanes16/ternary_columns.h"
#include "kernels/lanes16/ternary_gemm.h"
#include "kernels/scalar/ops.h"

namespace bitnet::kernels {
namespace {

static_assert(kTernaryRows == kRowRuns && kNibbleRows == kRowRuns);
constexpr bool kTilesInRuns = kTernaryTileRows == kRowRuns && kNibbleTileRows == kRowRuns;

constexpr KernelTable make_table(const char* name, CpuFeatures required) {
  return {
      .name = name,
      .required = required,
      .coding = TwoBits::kCoding,
      .tokens_in_runs = kTilesInRuns ? smaller(kTernaryTileTokens, kNibbleTileTokens) : 1,
      .ternary_gemm = ternary_gemm<TwoBits>,
      .ternary_gemm_grouped = ternary_gemm_grouped,
      .ternary_columns = ternary_columns<TwoBitLines>,
      .scale_sums = scale_sums,
      .quantize_activations = quantize_activations,
      .rms_norm = rms_norm,
      .activate = {activate<relu2_of>, activate<silu_of>, scalar::gelu, activate<gelu_tanh_of>},
      .activate_gated = {activate_gated<relu2_of>, activate_gated<silu_of>, scalar::gelu_gated,
                         activate_gated<gelu_tanh_of>},
      .rope = rope,
      .store_key = {store_key<KvF32>, store_key<KvF16>, store_key<KvQ8>, store_key<KvQ4>},
      .store_value = {store_value<KvF32>, store_value<KvF16>, store_value<KvQ8>, store_value<KvQ4>},
      .attention_scores = {attention_scores<KvF32>, attention_scores<KvF16>, attention_scores<KvQ8>,
                           attention_scores<KvQ4>},
      .softmax = softmax,
      .attention_values = {attention_values<KvF32>, attention_values<KvF16>, attention_values<KvQ8>,
                           attention_values<KvQ4>},
      .dense_gemm = {dense_gemm<float>, dense_gemm<F16>, dense_gemm<Bf16>},
      .nibble_scores = nibble_scores,
      .nibble_row = {nibble_row<float>, nibble_row<F16>, nibble_row<Bf16>},
      .to_float = {to_float<float>, to_float<F16>, to_float<Bf16>},
  };
}

}  // namespace
}  // namespace bitnet::kernels
