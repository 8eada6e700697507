#include "kernels/scalar/ops.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

constinit const KernelTable kScalarTable = {
    .name = "scalar",
    .required = 0,
    .ternary_gemm = scalar::ternary_gemm,
    .ternary_gemm_grouped = scalar::ternary_gemm_grouped,
    .scale_sums = scalar::scale_sums,
    .quantize_activations = scalar::quantize_activations,
    .rms_norm = scalar::rms_norm,
    .activate = {scalar::relu2, scalar::silu, scalar::gelu, scalar::gelu_tanh},
    .activate_gated = {scalar::relu2_gated, scalar::silu_gated, scalar::gelu_gated, scalar::gelu_tanh_gated},
    .rope = scalar::rope,
    .store_key = {scalar::store_key_f32, scalar::store_key_f16},
    .store_value = {scalar::store_value_f32, scalar::store_value_f16},
    .attention_scores = {scalar::attention_scores_f32, scalar::attention_scores_f16},
    .softmax = scalar::softmax,
    .attention_values = {scalar::attention_values_f32, scalar::attention_values_f16},
    .dense_gemm = {scalar::dense_gemm_f32, scalar::dense_gemm_f16, scalar::dense_gemm_bf16},
    .nibble_scores = scalar::nibble_scores,
    .nibble_row = {scalar::nibble_row_f32, scalar::nibble_row_f16, scalar::nibble_row_bf16},
    .to_float = {scalar::to_float_f32, scalar::to_float_f16, scalar::to_float_bf16},
};

}  // namespace bitnet::kernels
