#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/weights.h"
#include "base/log.h"
#include "bitnet/model_config.h"
#include "model/tensor_names.h"
#include "tensor/shape.h"

namespace bitnet::loading {

/// A tensor as the file has it.
struct StoredTensor {
  std::string name;
  std::string type;  ///< "U8", "BF16", "I2_S" …
  Shape shape;
  std::int64_t bytes = 0;
};

/// A linear layer as a backend takes it: ternary with its scales, or in full precision.
struct StoredLinear {
  std::string name;  ///< Hugging Face module name, whatever the file calls it
  std::optional<backend::TernarySource> ternary;
  backend::WeightScales scales;  ///< of `ternary`; without values for a master
  std::optional<backend::DenseSource> dense;
  std::vector<float> dense_bias;
};

/// A checkpoint on disk, whatever its format: configuration, tensors by rule (model/tensor_names.h), and the texts that
/// belong to it. Sources point into the object and share ownership of dense data only.
/// Not for several threads at once; functions of a source are.
class StoredModel {
 public:
  virtual ~StoredModel() = default;
  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] virtual std::vector<StoredTensor> tensors() const = 0;

  /// Throws Error when a tensor of the rule is missing or has a wrong type or shape. Marks the rule's tensors as known.
  /// Returns the shape of the ternary weights that linear() will give, if it will.
  virtual std::optional<backend::TernaryShape> check(const model::TensorRule& rule, std::int64_t layer) = 0;
  /// Throws Error when the checkpoint holds tensors that no checked rule claimed.
  virtual void refuse_unknown(const LogSink& log) const = 0;

  // After check(): the values.
  [[nodiscard]] virtual std::vector<float> norm(const model::TensorRule& rule, std::int64_t layer) const = 0;
  [[nodiscard]] virtual backend::DenseSource dense(const model::TensorRule& rule) const = 0;
  [[nodiscard]] virtual StoredLinear linear(const model::TensorRule& rule, std::int64_t layer) const = 0;

  /// A linear layer whose floats are still to be made ternary, as dense weights; nothing for one that is ternary as it
  /// stands or is to stay dense.
  [[nodiscard]] virtual std::optional<StoredLinear> float_linear(const model::TensorRule& rule,
                                                                 std::int64_t layer) const = 0;
  /// Drops the pages that reading a field has mapped; they come back when touched again.
  virtual void release(const model::TensorRule& rule, std::int64_t layer) const = 0;

  /// The text of a file that Hugging Face keeps beside the weights ("config.json", "tokenizer.json",
  /// "tokenizer_config.json", "generation_config.json" …): the file itself, or what the checkpoint says in its place.
  [[nodiscard]] virtual std::optional<std::string> companion(std::string_view file) const = 0;
  /// Where companions lie as files; empty when they do not.
  [[nodiscard]] virtual std::filesystem::path folder() const = 0;

 protected:
  ModelConfig config_;
};

/// A Hugging Face folder, the folder of the given .safetensors file, a .gguf file, or a folder with one .gguf and no
/// config.json. Throws Error naming what was read, found and expected.
[[nodiscard]] std::unique_ptr<StoredModel> open_model(const std::filesystem::path& path, const LogSink& log);

/// Calls step(rule, layer) for every field of the configured model, in the order of the table.
void for_each_field(const ModelConfig& config,
                    const std::function<void(const model::TensorRule& rule, std::int64_t layer)>& step);

/// check() of every field, then refuse_unknown(). Returns the ternary shapes in their order.
std::vector<backend::TernaryShape> check_all(StoredModel& stored, const LogSink& log);

}  // namespace bitnet::loading
