#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "bitnet/convert.h"
#include "loading/stored_model.h"

namespace bitnet::loading {

/// What one scale belongs to.
enum class Granularity { tensor, row, group_64, group_128 };

/// A checkpoint in full precision seen as a ternary one: BitNet b1.58's absmean quantization of every linear layer,
/// s = 1 / max(mean|W|, 1e-5), T = clamp(round(W · s), -1, 1), over what one scale belongs to; γ = 1 / s, of groups
/// rounded to half precision, which block types hold. Layers that are ternary already, and those of
/// modules_to_not_convert, stay as they are.
class QuantizedModel final : public StoredModel {
 public:
  /// `on_tensor` hears of a layer when linear() quantizes it for the first time.
  QuantizedModel(std::unique_ptr<StoredModel> floats, Granularity granularity,
                 std::function<void(const QuantizedLayer&)> on_tensor);

  [[nodiscard]] std::vector<StoredTensor> tensors() const override { return floats_->tensors(); }
  std::optional<backend::TernaryShape> check(const model::TensorRule& rule, std::int64_t layer) override {
    return floats_->check(rule, layer);
  }
  void refuse_unknown(const LogSink& log) const override { floats_->refuse_unknown(log); }
  [[nodiscard]] std::vector<float> norm(const model::TensorRule& rule, std::int64_t layer) const override {
    return floats_->norm(rule, layer);
  }
  [[nodiscard]] backend::DenseSource dense(const model::TensorRule& rule) const override {
    return floats_->dense(rule);
  }
  [[nodiscard]] std::optional<StoredLinear> float_linear(const model::TensorRule&, std::int64_t) const override {
    return std::nullopt;
  }
  [[nodiscard]] StoredLinear linear(const model::TensorRule& rule, std::int64_t layer) const override;
  void release(const model::TensorRule& rule, std::int64_t layer) const override { floats_->release(rule, layer); }
  [[nodiscard]] std::optional<std::string> companion(std::string_view file) const override {
    return floats_->companion(file);
  }
  [[nodiscard]] std::filesystem::path folder() const override { return floats_->folder(); }

 private:
  std::unique_ptr<StoredModel> floats_;
  Granularity granularity_;
  std::function<void(const QuantizedLayer&)> on_tensor_;
  mutable std::set<std::string> described_;
};

}  // namespace bitnet::loading
