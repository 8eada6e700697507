#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/log.h"
#include "bitnet/model_config.h"
#include "formats/safetensors.h"
#include "model/weights.h"

namespace bitnet::loading {

/// Finds the tensors of one rule in a checkpoint, checks dtype and shape, and makes the field's value of them.
class TensorBinder {
 public:
  /// All arguments must outlive the binder.
  TensorBinder(const ModelConfig& config, const formats::SafetensorsCheckpoint& checkpoint,
               const std::filesystem::path& folder, backend::Backend& backend)
      : config_(config), checkpoint_(checkpoint), folder_(folder), backend_(backend) {}

  /// Throws when a tensor of the rule is missing or has the wrong dtype or shape. Marks the rule's tensors as known.
  void check(const model::TensorRule& rule, std::int64_t layer);
  /// Tells the backend which ternary weights the checked rules will make.
  void reserve() const { backend_.reserve_ternary(ternary_); }
  /// Throws when the checkpoint holds tensors that no checked rule claimed.
  void refuse_unknown(const LogSink& log) const;

  // After check(): the values.
  [[nodiscard]] std::vector<float> norm(const model::TensorRule& rule, std::int64_t layer) const;
  [[nodiscard]] std::unique_ptr<backend::DenseWeights> dense(const model::TensorRule& rule) const;
  [[nodiscard]] model::LinearWeights linear(const model::TensorRule& rule, std::int64_t layer) const;

 private:
  using Tensor = formats::CheckpointTensor;

  /// How a linear layer is stored.
  enum class Storage { dense, huggingface_packed, design_packed, master };

  [[nodiscard]] std::string module_name(const model::TensorRule& rule, std::int64_t layer) const;
  [[nodiscard]] Storage storage_of(const std::string& module) const;
  [[nodiscard]] const Tensor& require(const std::string& name) const;
  void expect(const Tensor& tensor, std::string_view dtypes, const std::vector<Shape>& shapes) const;
  void check_linear(const model::TensorRule& rule, const std::string& module);
  void claim(const std::string& name) { claimed_.insert(name); }
  [[nodiscard]] std::vector<float> floats(const std::string& name) const;
  [[nodiscard]] std::unique_ptr<backend::DenseWeights> dense_named(const std::string& name, std::int64_t rows,
                                                                   std::int64_t cols) const;
  [[nodiscard]] backend::WeightScales scales(const model::TensorRule& rule, const std::string& module,
                                             Storage storage) const;

  const ModelConfig& config_;
  const formats::SafetensorsCheckpoint& checkpoint_;
  const std::filesystem::path& folder_;
  backend::Backend& backend_;
  std::set<std::string, std::less<>> claimed_;
  std::vector<backend::TernaryShape> ternary_;
};

}  // namespace bitnet::loading
