#pragma once
/// The scalar functions, one file per operation: the definition of every entry of kernel_table.h, slow and plain.
/// Tables of other instruction sets may point to one of them where speed does not matter.

#include <type_traits>

#include "kernels/kernel_table.h"

namespace bitnet::kernels::scalar {

/// The function type of an entry of KernelTable, or of an array of them: for explicit instantiations.
template <typename Entry>
using EntryFunction = std::remove_pointer_t<std::remove_all_extents_t<Entry>>;

void ternary_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                  std::int64_t sums_stride);
void ternary_gemm_grouped(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                          std::int64_t group_slices, std::int32_t* sums);
void ternary_columns(const TernaryMatrix& columns, const std::int8_t* x, std::int32_t* sums);
void scale_sums(const std::int32_t* sums, std::int64_t n, float s_x, const float* g, std::int64_t g_step, bool divide,
                float* y);
float quantize_activations(const float* x, std::int64_t n, std::int64_t padded, std::int8_t* q,
                           std::int32_t* slice_sums);
void rms_norm(const float* x, const float* w, float eps, std::int64_t n, float* y);

/// e^x within 1 ulp of the true value. 0 where the result would be subnormal (x < -87.3365), infinity where it would
/// overflow (x > 88.7228), NaN for NaN.
float exp(float x);

void relu2(const float* x, std::int64_t n, float* y);
void silu(const float* x, std::int64_t n, float* y);
void gelu(const float* x, std::int64_t n, float* y);
void gelu_tanh(const float* x, std::int64_t n, float* y);
void relu2_gated(const float* gate, const float* up, std::int64_t n, float* y);
void silu_gated(const float* gate, const float* up, std::int64_t n, float* y);
void gelu_gated(const float* gate, const float* up, std::int64_t n, float* y);
void gelu_tanh_gated(const float* gate, const float* up, std::int64_t n, float* y);

void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cos, const float* sin);

template <KvType kType>
void store_key(const float* key, std::int64_t head_dim, std::int64_t slot, void* block);
template <KvType kType>
void store_value(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride, void* block);
template <KvType kType>
void attention_scores(const float* q, std::int64_t heads, std::int64_t q_stride, const KeyBlocks& keys,
                      std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride);
void softmax(float* x, std::int64_t n);
template <KvType kType>
void attention_values(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block, const void* next,
                      const ValuePart& part, float* out, std::int64_t out_stride);

void dense_gemm_f32(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                    std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride);
void dense_gemm_f16(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                    std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride);
void dense_gemm_bf16(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                     std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride);
void nibble_scores(const NibbleMatrix& w, const RowRuns& rows, const NibbleInputs& x, float* y, std::int64_t y_stride);
pack::NibbleSums nibble_row_f32(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales);
pack::NibbleSums nibble_row_f16(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales);
pack::NibbleSums nibble_row_bf16(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales);
void to_float_f32(const void* row, std::int64_t n, float* y);
void to_float_f16(const void* row, std::int64_t n, float* y);
void to_float_bf16(const void* row, std::int64_t n, float* y);

}  // namespace bitnet::kernels::scalar
