#include "bitnet/bit_linear_model.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/fail.h"
#include "kernels/dispatch.h"

namespace bitnet {

class BitnetModel::Impl {
 public:
  explicit Impl(int threads) : pool(threads), backend(kernels::choose_table("", detect_cpu_features()), pool) {}

  ThreadPool pool;
  backend::CpuBackend backend;
  std::vector<std::unique_ptr<backend::TernaryWeights>> layers;
  std::mutex computing;
};

BitnetModel::BitnetModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BitnetModel::BitnetModel(BitnetModel&&) noexcept = default;
BitnetModel& BitnetModel::operator=(BitnetModel&&) noexcept = default;
BitnetModel::~BitnetModel() = default;

std::int64_t BitnetModel::in_features() const { return impl_->layers.front()->in(); }
std::int64_t BitnetModel::out_features() const { return impl_->layers.back()->out(); }

std::vector<float> BitnetModel::forward(std::span<const float> x) const {
  const auto count = static_cast<std::int64_t>(x.size());
  if (count % in_features() != 0) {
    fail(ErrorKind::invalid_argument, "forward: {} values are no whole number of tokens with {} features", count,
         in_features());
  }
  const std::int64_t tokens = count / in_features();
  std::vector<float> current(x.begin(), x.end());
  const std::lock_guard lock(impl_->computing);
  for (const auto& layer : impl_->layers) {
    std::vector<float> next(static_cast<std::size_t>(tokens * layer->out()));
    const backend::TernaryWeights* const weights[] = {layer.get()};
    const MatrixView<float> out[] = {{next.data(), tokens, layer->out()}};
    impl_->backend.bit_linear({current.data(), tokens, layer->in()}, weights, out);
    current = std::move(next);
  }
  return current;
}

BitnetModelBuilder::BitnetModelBuilder(int threads)
    : impl_(std::make_unique<BitnetModel::Impl>(threads)), threads_(threads) {}
BitnetModelBuilder::BitnetModelBuilder(BitnetModelBuilder&&) noexcept = default;
BitnetModelBuilder& BitnetModelBuilder::operator=(BitnetModelBuilder&&) noexcept = default;
BitnetModelBuilder::~BitnetModelBuilder() = default;

BitnetModelBuilder& BitnetModelBuilder::add_linear_layer(std::span<const std::int8_t> weights, std::int64_t in_features,
                                                         std::int64_t out_features, std::span<const float> scales) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  if (in_features < 1 || out_features < 1 || in_features > kMost || out_features > kMost) {
    fail(ErrorKind::invalid_argument, "add_linear_layer: {} inputs and {} outputs; expected 1 to {} each", in_features,
         out_features, kMost);
  }
  if (static_cast<std::int64_t>(weights.size()) != in_features * out_features) {
    fail(ErrorKind::invalid_argument, "add_linear_layer: {} weights are not {} x {}", weights.size(), out_features,
         in_features);
  }
  if (!impl_->layers.empty() && impl_->layers.back()->out() != in_features) {
    fail(ErrorKind::invalid_argument, "add_linear_layer: {} inputs do not fit the previous layer's {} outputs",
         in_features, impl_->layers.back()->out());
  }
  if (scales.size() > 1 && static_cast<std::int64_t>(scales.size()) != out_features) {
    fail(ErrorKind::invalid_argument, "add_linear_layer: {} scales; expected none, 1 or {}", scales.size(),
         out_features);
  }
  if (!std::all_of(scales.begin(), scales.end(), [](float scale) { return std::isfinite(scale); })) {
    fail(ErrorKind::invalid_argument, "add_linear_layer: a scale is not a finite number");
  }
  const auto bad = std::find_if(weights.begin(), weights.end(), [](std::int8_t w) { return w < -1 || w > 1; });
  if (bad != weights.end()) {
    fail(ErrorKind::invalid_argument, "add_linear_layer: weight {} is {}; expected -1, 0 or 1", bad - weights.begin(),
         *bad);
  }
  backend::WeightScales weight_scales;
  weight_scales.values.assign(scales.begin(), scales.end());
  if (scales.empty()) weight_scales.values = {1.0F};
  impl_->layers.push_back(
      impl_->backend.prepare_ternary({"layer", backend::TernaryForm::int8_rows, DType::i8,
                                      reinterpret_cast<const std::byte*>(weights.data()), out_features, in_features},
                                     std::move(weight_scales)));
  return *this;
}

BitnetModel BitnetModelBuilder::build() {
  if (impl_->layers.empty()) fail(ErrorKind::invalid_argument, "build: the model has no layer");
  return BitnetModel(std::exchange(impl_, std::make_unique<BitnetModel::Impl>(threads_)));
}

}  // namespace bitnet
