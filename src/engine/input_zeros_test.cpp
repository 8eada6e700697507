#include "engine/input_zeros.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "bitnet/quantize.h"
#include "engine/engine_state.h"
#include "engine/recorder.h"
#include "support/tiny_checkpoint.h"

namespace bitnet {
namespace {

TEST(ZeroShares, CountAlignedGroups) {
  // 40 inputs: zero but for 3, 8 and 39.
  std::vector<std::int8_t> row(40, 0);
  row[3] = row[8] = row[39] = 1;
  ZeroShares shares;
  EXPECT_EQ(shares.share(3), 0.0);
  shares.add(row);
  EXPECT_EQ(shares.groups, (std::array<std::int64_t, 4>{40, 10, 5, 2}));
  EXPECT_EQ(shares.zeros, (std::array<std::int64_t, 4>{37, 7, 2, 0}));
  row[39] = 0;  // the last group of 32 has eight inputs
  shares.add(row);
  EXPECT_EQ(shares.zeros, (std::array<std::int64_t, 4>{75, 15, 5, 1}));
  EXPECT_DOUBLE_EQ(shares.share(3), 0.25);
  ZeroShares twice = shares;
  twice.add(shares);
  EXPECT_EQ(twice.zeros[0], 150);
  EXPECT_EQ(twice.groups[0], 160);
}

TEST(MeasureDownZeros, SeesEveryLayersInputs) {
  const ModelConfig config = ModelConfig::from_json(testing_support::tiny_config().dump(), "config.json");
  const Engine engine = Engine::synthetic(config, 1);
  const std::vector<std::int32_t> ids = {1, 7, 30, 7};
  const std::vector<ZeroShares> layers = measure_down_zeros(engine, ids);
  ASSERT_EQ(layers.size(), 2U);

  model::Transformer& model = *engine.state().transformer;
  model::KvSequence sequence = model.make_sequence();
  model::KvSequence* const sequences[] = {&sequence};
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : ids) batch.push_back({id, 0, false});
  Recorder recorder;
  model.forward(batch, sequences, {}, &recorder);
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    std::int64_t zeros = 0;
    for (const std::vector<float>& row : recorder.rows("mlp.act", layer)) {
      const auto values = quantize_activations(row, row.size()).values;
      zeros += std::count(values.begin(), values.end(), 0);
    }
    const ZeroShares& found = layers[static_cast<std::size_t>(layer)];
    EXPECT_EQ(found.groups, (std::array<std::int64_t, 4>{4 * 80, 4 * 20, 4 * 10, 4 * 3}));
    EXPECT_EQ(found.zeros[0], zeros);
    EXPECT_GT(found.share(0), 0.3) << "the gate is a squared ReLU";
    EXPECT_LT(found.share(0), 1.0);
  }
}

TEST(MeasureDownZeros, BiasedGatesLeaveMoreZeros) {
  const ModelConfig config = ModelConfig::from_json(testing_support::tiny_config().dump(), "config.json");
  const std::vector<std::int32_t> ids = {1, 7, 30, 7};
  const auto first_layer = [&](std::int64_t bias) {
    return measure_down_zeros(Engine::synthetic(config, 1, {}, bias), ids).front().share(0);
  };
  EXPECT_GT(first_layer(12), first_layer(0) + 0.1);
  testing_support::expect_error(ErrorKind::invalid_argument, {"gate_bias is -1"}, [&] { (void)first_layer(-1); });
  testing_support::expect_error(ErrorKind::invalid_argument, {"gate_bias is 1000"}, [&] { (void)first_layer(1000); });
}

}  // namespace
}  // namespace bitnet
