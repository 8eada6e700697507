#include "engine/input_zeros.h"

#include <algorithm>
#include <mutex>
#include <string_view>

#include "bitnet/quantize.h"
#include "engine/engine_state.h"

namespace bitnet {
namespace {

class Counter : public ForwardObserver {
 public:
  explicit Counter(std::int64_t layers) : layers_(static_cast<std::size_t>(layers)) {}

  void on_tensor(std::string_view name, int layer, const float* data, std::int64_t rows, std::int64_t cols) override {
    if (name != "mlp.act") return;
    const auto width = static_cast<std::size_t>(cols);
    const Int8Activations inputs = quantize_activations({data, static_cast<std::size_t>(rows) * width}, width);
    for (std::size_t at = 0; at < inputs.values.size(); at += width) {
      layers_[static_cast<std::size_t>(layer)].add(std::span(inputs.values).subspan(at, width));
    }
  }

  [[nodiscard]] const std::vector<ZeroShares>& layers() const { return layers_; }

 private:
  std::vector<ZeroShares> layers_;
};

}  // namespace

void ZeroShares::add(std::span<const std::int8_t> row) {
  for (std::size_t i = 0; i < kGroups.size(); ++i) {
    for (std::size_t at = 0; at < row.size(); at += static_cast<std::size_t>(kGroups[i])) {
      const auto rest = row.subspan(at);
      const auto group = rest.first(std::min(rest.size(), static_cast<std::size_t>(kGroups[i])));
      ++groups[i];
      if (std::all_of(group.begin(), group.end(), [](std::int8_t value) { return value == 0; })) ++zeros[i];
    }
  }
}

void ZeroShares::add(const ZeroShares& other) {
  for (std::size_t i = 0; i < kGroups.size(); ++i) {
    groups[i] += other.groups[i];
    zeros[i] += other.zeros[i];
  }
}

double ZeroShares::share(std::size_t i) const {
  return groups[i] == 0 ? 0.0 : static_cast<double>(zeros[i]) / static_cast<double>(groups[i]);
}

std::vector<ZeroShares> measure_down_zeros(const Engine& engine, std::span<const std::int32_t> ids) {
  EngineState& state = engine.state();
  const std::lock_guard lock(state.computing);
  model::Transformer& model = *state.transformer;
  model::KvSequence sequence = model.make_sequence();
  model::KvSequence* const sequences[] = {&sequence};
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : ids) batch.push_back({id, 0, false});
  Counter counter(engine.config().num_hidden_layers);
  model.forward(batch, sequences, {}, &counter);
  return counter.layers();
}

}  // namespace bitnet
