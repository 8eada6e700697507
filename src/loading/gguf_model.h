#pragma once

#include <memory>
#include <set>
#include <string>

#include "formats/gguf.h"
#include "loading/measured_scales.h"
#include "loading/stored_model.h"

namespace bitnet::loading {

/// A GGUF file: configuration, tokenizer and chat template come from its metadata. docs/formats/gguf.md.
class GgufModel final : public StoredModel {
 public:
  /// Throws Error naming the key or tensor, what was found and expected.
  GgufModel(formats::GgufFile file, const LogSink& log);

  [[nodiscard]] std::vector<StoredTensor> tensors() const override;
  std::optional<backend::TernaryShape> check(const model::TensorRule& rule, std::int64_t layer) override;
  void refuse_unknown(const LogSink& log) const override;
  [[nodiscard]] std::vector<float> norm(const model::TensorRule& rule, std::int64_t layer) const override;
  [[nodiscard]] backend::DenseSource dense(const model::TensorRule& rule) const override;
  [[nodiscard]] std::optional<StoredLinear> float_linear(const model::TensorRule& rule,
                                                         std::int64_t layer) const override;
  [[nodiscard]] StoredLinear linear(const model::TensorRule& rule, std::int64_t layer) const override;
  void release(const model::TensorRule& rule, std::int64_t layer) const override;
  [[nodiscard]] std::optional<std::string> companion(std::string_view file) const override;
  [[nodiscard]] std::filesystem::path folder() const override { return {}; }

 private:
  using Tensor = formats::GgufTensor;

  [[nodiscard]] const Tensor& require(const std::string& name) const;
  const Tensor& claim(const std::string& name, std::span<const formats::GgufType> types, const Shape& shape);
  [[nodiscard]] std::string describe(const Tensor& tensor) const;
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;
  /// The scales in a ternary tensor's own blocks or elements; nothing for floats that are not ternary as they stand.
  [[nodiscard]] std::optional<MeasuredScales> measure(const Tensor& tensor) const;
  /// Where the file has row `row` of a field's matrix: "llama" files have the rows of q and k in another order.
  [[nodiscard]] std::int64_t file_row(const model::TensorRule& rule, std::int64_t row) const;
  [[nodiscard]] bool reorders(const model::TensorRule& rule) const;
  [[nodiscard]] backend::WeightScales scales(const model::TensorRule& rule, const std::string& name,
                                             const MeasuredScales& measured) const;
  void to_model_order(const model::TensorRule& rule, std::vector<float>& by_row) const;

  std::shared_ptr<const formats::GgufFile> file_;
  std::string config_json_;
  bool llama_ = false;
  LogSink log_;
  std::set<std::string, std::less<>> claimed_;
};

}  // namespace bitnet::loading
