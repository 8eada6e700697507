#include "kernels/scalar/ops.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

constinit const KernelTable kScalarTable = {
    .name = "scalar",
    .required = 0,
    .coding = pack::TernaryCoding::two_bits,
    .tokens_in_runs = 1,
    .ternary_gemm = scalar::ternary_gemm,
    .ternary_gemm_grouped = scalar::ternary_gemm_grouped,
    .ternary_columns = scalar::ternary_columns,
    .scale_sums = scalar::scale_sums,
    .quantize_activations = scalar::quantize_activations,
    .rms_norm = scalar::rms_norm,
    .activate = {scalar::relu2, scalar::silu, scalar::gelu, scalar::gelu_tanh},
    .activate_gated = {scalar::relu2_gated, scalar::silu_gated, scalar::gelu_gated, scalar::gelu_tanh_gated},
    .rope = scalar::rope,
    .store_key = {scalar::store_key<KvType::f32>, scalar::store_key<KvType::f16>, scalar::store_key<KvType::q8>,
                  scalar::store_key<KvType::q4>},
    .store_value = {scalar::store_value<KvType::f32>, scalar::store_value<KvType::f16>, scalar::store_value<KvType::q8>,
                    scalar::store_value<KvType::q4>},
    .attention_scores = {scalar::attention_scores<KvType::f32>, scalar::attention_scores<KvType::f16>,
                         scalar::attention_scores<KvType::q8>, scalar::attention_scores<KvType::q4>},
    .softmax = scalar::softmax,
    .attention_values = {scalar::attention_values<KvType::f32>, scalar::attention_values<KvType::f16>,
                         scalar::attention_values<KvType::q8>, scalar::attention_values<KvType::q4>},
    .dense_gemm = {scalar::dense_gemm_f32, scalar::dense_gemm_f16, scalar::dense_gemm_bf16},
    .nibble_scores = scalar::nibble_scores,
    .nibble_row = {scalar::nibble_row_f32, scalar::nibble_row_f16, scalar::nibble_row_bf16},
    .to_float = {scalar::to_float_f32, scalar::to_float_f16, scalar::to_float_bf16},
};

}  // namespace bitnet::kernels
