#include "loading/convert.h"

#include "base/fail.h"

namespace bitnet::loading {

std::string_view name_of(TernaryTarget target) {
  constexpr std::string_view kNames[] = {"packed", "bf16", "i2_s", "tq1_0", "tq2_0", "q2_0"};
  return kNames[static_cast<std::size_t>(target)];
}

std::unique_ptr<backend::TernaryWeights> read_ternary(const StoredModel& stored, backend::Backend& backend,
                                                      const model::TensorRule& rule, std::int64_t layer) {
  StoredLinear linear = stored.linear(rule, layer);
  auto ternary = backend.prepare_ternary(linear.ternary.value(), std::move(linear.scales));
  stored.release(rule, layer);
  return ternary;
}

backend::WeightScales read_scales(const StoredModel& stored, backend::Backend& backend, const model::TensorRule& rule,
                                  std::int64_t layer) {
  StoredLinear linear = stored.linear(rule, layer);
  if (!linear.ternary || !linear.scales.values.empty()) return std::move(linear.scales);
  return read_ternary(stored, backend, rule, layer)->scales();
}

float scale_at(const backend::WeightScales& scales, std::int64_t rows, std::int64_t cols, std::int64_t row,
               std::int64_t column) {
  if (scales.values.size() == 1) return scales.values[0];
  const std::int64_t groups = static_cast<std::int64_t>(scales.values.size()) / rows;
  const std::int64_t group = scales.group == 0 ? cols : scales.group;
  return scales.values[static_cast<std::size_t>(row * groups + column / group)];
}

void convert(StoredModel& stored, backend::Backend& backend, const std::filesystem::path& out,
             const Conversion& conversion) {
  check_all(stored, {});
  if (is_gguf_target(conversion.target)) {
    write_gguf_model(stored, backend, out, conversion);
    return;
  }
  for (const auto& type : {conversion.embedding, conversion.head}) {
    if (type && *type != formats::GgufType::f32 && *type != formats::GgufType::f16 &&
        *type != formats::GgufType::bf16) {
      fail(ErrorKind::unsupported, "a Hugging Face folder cannot hold {}; write a .gguf file", name_of(*type));
    }
  }
  write_huggingface_model(stored, backend, out, conversion);
}

}  // namespace bitnet::loading
