#include <gtest/gtest.h>

#include <cmath>

#include "bitnet/error.h"
#include "bitnet/session.h"
#include "engine/engine_state.h"
#include "engine/recorder.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace bitnet {
namespace {

using testing_support::expect_error;

const Engine& fairy() {
  static const Engine loaded = Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet");
  return loaded;
}

std::vector<std::int32_t> some_ids(std::size_t count) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>((i * 7919 + 13) % 8000));
  return ids;
}

std::vector<std::string> names_of(const std::vector<NamedArray>& arrays) {
  std::vector<std::string> names;
  for (const NamedArray& named : arrays) names.push_back(named.name);
  return names;
}

const Array& find(const std::vector<NamedArray>& arrays, const std::string& name) {
  for (const NamedArray& named : arrays) {
    if (named.name == name) return named.array;
  }
  throw std::runtime_error("there is no " + name);
}

using Shape64 = std::vector<std::int64_t>;

TEST(Activations, HaveTheNamesAndShapesOfTransformerLens) {
  Session session(fairy());
  const auto arrays = session.activations(some_ids(5));
  EXPECT_EQ(arrays.size(), 3 + 8 * 13);
  EXPECT_EQ(arrays.front().name, "hook_embed");
  EXPECT_EQ(arrays.back().name, "logits");
  const std::vector<std::pair<std::string, Shape64>> expected = {
      {"hook_embed", {1, 5, 512}},
      {"blocks.0.ln1.hook_normalized", {1, 5, 512}},
      {"blocks.0.attn.hook_q", {1, 5, 8, 64}},
      {"blocks.0.attn.hook_k", {1, 5, 4, 64}},
      {"blocks.0.attn.hook_v", {1, 5, 4, 64}},
      {"blocks.0.attn.hook_pattern", {1, 8, 5, 5}},
      {"blocks.0.attn.hook_z", {1, 5, 8, 64}},
      {"blocks.0.hook_attn_out", {1, 5, 512}},
      {"blocks.0.ln2.hook_normalized", {1, 5, 512}},
      {"blocks.0.mlp.hook_pre", {1, 5, 1536}},
      {"blocks.0.mlp.hook_pre_linear", {1, 5, 1536}},
      {"blocks.7.mlp.hook_post", {1, 5, 1536}},
      {"blocks.7.hook_mlp_out", {1, 5, 512}},
      {"blocks.7.hook_resid_post", {1, 5, 512}},
      {"ln_final.hook_normalized", {1, 5, 512}},
      {"logits", {1, 5, 8192}},
  };
  for (const auto& [name, shape] : expected) {
    const Array& array = find(arrays, name);
    EXPECT_EQ(array.shape, shape) << name;
    std::int64_t count = 1;
    for (const std::int64_t dim : shape) count *= dim;
    EXPECT_EQ(std::ssize(array.data), count) << name;
  }
}

// More tokens than one pass takes: every row must be where a recorder of all passes saw it.
TEST(Activations, OfALongInputAreStitched) {
  const auto ids = some_ids(300);
  Session session(fairy());
  const auto arrays = session.activations(ids);

  model::Transformer& transformer = *fairy().state().transformer;
  model::KvSequence sequence = transformer.make_sequence();
  model::KvSequence* const sequences[] = {&sequence};
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : ids) batch.push_back({id, 0, false});
  Recorder recorder;
  transformer.forward(batch, sequences, {}, &recorder);

  const std::pair<std::string, std::string> names[] = {{"attn.linear_in", "ln1.hook_normalized"},
                                                       {"attn.q", "attn.hook_q"},
                                                       {"attn.k", "attn.hook_k"},
                                                       {"attn.v", "attn.hook_v"},
                                                       {"attn.z", "attn.hook_z"},
                                                       {"attn.out", "hook_attn_out"},
                                                       {"mlp.linear_in", "ln2.hook_normalized"},
                                                       {"mlp.gate", "mlp.hook_pre"},
                                                       {"mlp.up", "mlp.hook_pre_linear"},
                                                       {"mlp.act", "mlp.hook_post"},
                                                       {"mlp.out", "hook_mlp_out"},
                                                       {"hook_resid_post", "hook_resid_post"}};
  const auto joined = [](const Recorder::Rows& rows) {
    std::vector<float> all;
    for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
    return all;
  };
  for (const auto& [ours, theirs] : names) {
    EXPECT_EQ(find(arrays, "blocks.3." + theirs).data, joined(recorder.rows(ours, 3))) << theirs;
  }
  EXPECT_EQ(find(arrays, "hook_embed").data, joined(recorder.rows("embed", -1)));
  EXPECT_EQ(find(arrays, "ln_final.hook_normalized").data, joined(recorder.rows("final_norm", -1)));
  EXPECT_EQ(find(arrays, "logits").data, session.logits(ids));

  const Array& pattern = find(arrays, "blocks.3.attn.hook_pattern");
  const auto& rows = recorder.rows("attn.hook_pattern", 3);
  for (std::size_t head = 0; head < 8; ++head) {
    for (std::size_t query = 0; query < 300; ++query) {
      std::vector<float> expected = rows[query * 8 + head];
      expected.resize(300);
      const float* const found = pattern.data.data() + (head * 300 + query) * 300;
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), found)) << head << ", " << query;
      double sum = 0;
      for (std::size_t key = 0; key <= query; ++key) sum += found[key];
      ASSERT_NEAR(sum, 1, 1e-5);
    }
  }
}

TEST(Activations, AFeedForwardWithoutAGateHasNoLinearPart) {
  const testing_support::TemporaryFolder folder;
  Json config = testing_support::tiny_config();
  config["architectures"] = {"BitnetCoreForCausalLM"};
  config["hidden_act"] = "gelu";
  testing_support::tiny_checkpoint(config).write(folder.path());
  Session session(Engine::load(folder.path()));
  const std::vector<std::int32_t> ids = {1, 2, 3};
  const auto arrays = session.activations(ids, [](std::string_view name) { return name.starts_with("blocks.1.mlp"); });
  EXPECT_EQ(names_of(arrays), (std::vector<std::string>{"blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_post"}));
  EXPECT_EQ(arrays[0].array.shape, (Shape64{1, 3, 80}));
  // What went in and what came out of the activation function, which is all that lies between them here.
  double different = 0;
  for (std::size_t i = 0; i < arrays[0].array.data.size(); ++i) {
    const double x = arrays[0].array.data[i];
    different = std::max(different, std::abs(0.5 * x * (1 + std::erf(x / std::sqrt(2.0))) - arrays[1].array.data[i]));
  }
  EXPECT_LT(different, 1e-5);
}

TEST(Activations, OnlyThoseThatAreWantedAreKept) {
  Session session(fairy());
  const auto wanted = [](std::string_view name) { return name.ends_with("hook_pattern"); };
  const auto arrays = session.activations(some_ids(4), wanted);
  ASSERT_EQ(arrays.size(), 8U);
  EXPECT_EQ(arrays[7].name, "blocks.7.attn.hook_pattern");
  EXPECT_EQ(arrays[7].array.data, find(session.activations(some_ids(4)), "blocks.7.attn.hook_pattern").data);
}

TEST(Activations, RefuseWhatIsTooLarge) {
  Session session(fairy());
  expect_error(ErrorKind::limit, {"30000 tokens", "at most 4 GiB"},
               [&] { (void)session.activations(some_ids(30000)); });
  const auto logits = [](std::string_view name) { return name == "logits"; };
  expect_error(ErrorKind::limit, {"1024"}, [&] { (void)session.activations(some_ids(1025), logits); });
  const std::vector<std::int32_t> outside = {8192};
  expect_error(ErrorKind::invalid_argument, {"8192"}, [&] { (void)session.activations(outside); });
}

}  // namespace
}  // namespace bitnet
