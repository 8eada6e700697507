#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"
#include "loading/measured_scales.h"
#include "loading/stored_model.h"

namespace bitnet::loading {

/// config.json and the safetensors of a Hugging Face folder.
class SafetensorsModel final : public StoredModel {
 public:
  /// A folder, or one .safetensors file whose folder holds config.json.
  explicit SafetensorsModel(const std::filesystem::path& path);

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
  [[nodiscard]] std::filesystem::path folder() const override { return folder_; }

 private:
  using Tensor = formats::CheckpointTensor;

  /// How a linear layer is stored.
  enum class Storage { dense, huggingface_packed, design_packed, master, dequantized };

  [[nodiscard]] std::string module_name(const model::TensorRule& rule, std::int64_t layer) const;
  [[nodiscard]] Storage storage_of(const std::string& module) const;
  [[nodiscard]] const Tensor& require(const std::string& name) const;
  void expect(const Tensor& tensor, std::string_view dtypes, const std::vector<Shape>& shapes) const;
  std::optional<backend::TernaryShape> check_linear(const model::TensorRule& rule, const std::string& module);
  void claim(const std::string& name) { claimed_.insert(name); }
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;
  [[nodiscard]] backend::DenseSource dense_named(const std::string& name, std::int64_t rows, std::int64_t cols) const;
  [[nodiscard]] backend::WeightScales scales(const model::TensorRule& rule, const std::string& module,
                                             Storage storage) const;
  /// Of float weights; nothing when they are not ternary as they stand.
  [[nodiscard]] std::optional<MeasuredScales> measure(const Tensor& tensor) const;
  /// Sets source and scales of float weights that are ternary as they stand.
  void dequantized(const Tensor& tensor, const std::string& module, StoredLinear& out) const;

  std::filesystem::path folder_;
  formats::SafetensorsCheckpoint checkpoint_;
  bool base_model_ = false;  // saved without a head: names lack their "model."
  std::set<std::string, std::less<>> claimed_;
};

}  // namespace bitnet::loading
