// GGUF models written by hand: what each form of weights, scales, rope, heads and keys is read as.
#include "loading/gguf_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/fail.h"
#include "kernels/dispatch.h"
#include "loading/checkpoint_loader.h"
#include "loading/convert.h"
#include "loading/side_scales.h"
#include "pack/absmean.h"
#include "support/expect_error.h"
#include "support/tiny_gguf.h"

namespace bitnet::loading {
namespace {

using backend::ScaleRule;
using formats::GgufType;
using testing_support::expect_error;
using testing_support::gguf_floats;
using testing_support::gguf_ternary;
using testing_support::tiny_gguf;
using testing_support::tiny_ternary;
using testing_support::TinyGguf;
using testing_support::TinyTernary;

const std::string kDown = "blk.0.ffn_down";

class GgufModels : public testing::Test {
 protected:
  ThreadPool pool{2};
  backend::CpuBackend backend{kernels::choose_table("", detect_cpu_features()), pool};
  testing_support::TemporaryFolder folder;
  std::vector<std::string> log;

  LoadedModel load(const TinyGguf& file) {
    file.write(folder.path() / "tiny.gguf");
    log.clear();
    return load_checkpoint(folder.path() / "tiny.gguf", backend, {{}, [&](const std::string& s) { log.push_back(s); }});
  }
  ModelConfig config(const TinyGguf& file) { return load(file).stored->config(); }

  /// Every weight and what it is multiplied with.
  static void expect_equal(const backend::TernaryWeights& found, const TinyTernary& expected) {
    ASSERT_EQ(found.out(), expected.rows);
    ASSERT_EQ(found.in(), expected.cols);
    std::vector<std::int8_t> row(static_cast<std::size_t>(expected.cols));
    for (std::int64_t r = 0; r < expected.rows; ++r) {
      found.read_row(r, row.data());
      for (std::int64_t c = 0; c < expected.cols; ++c) {
        const auto i = static_cast<std::size_t>(r * expected.cols + c);
        ASSERT_EQ(row[static_cast<std::size_t>(c)], expected.weights[i]) << r << ", " << c;
        const backend::WeightScales& scales = found.scales();
        ASSERT_EQ(weight_factor(scales.rule, scale_at(scales, expected.rows, expected.cols, r, c)), expected.factors[i])
            << r << ", " << c;
      }
    }
  }
};

TEST_F(GgufModels, EveryFormHoldsTheSameTernaryWeights) {
  for (const GgufType type : {GgufType::i2_s, GgufType::tq1_0, GgufType::tq2_0, GgufType::q2_0, GgufType::q2_0_128,
                              GgufType::f32, GgufType::f16, GgufType::bf16}) {
    SCOPED_TRACE(name_of(type));
    std::map<std::string, TinyTernary> matrices;
    const LoadedModel loaded = load(tiny_gguf(type, "bitnet-b1.58", &matrices));
    const model::LayerWeights& layer = loaded.weights.layers[0];
    for (const auto& [name, weights] :
         {std::pair{"attn_q", &layer.q}, std::pair{"attn_k", &layer.k}, std::pair{"attn_v", &layer.v},
          std::pair{"attn_output", &layer.o}, std::pair{"ffn_gate", &layer.gate}, std::pair{"ffn_up", &layer.up},
          std::pair{"ffn_down", &layer.down}}) {
      SCOPED_TRACE(name);
      expect_equal(*weights->ternary, matrices.at("blk.0." + std::string(name)));
      EXPECT_EQ(weights->ternary->scales().values.size(), 1U);
    }
    EXPECT_EQ(loaded.weights.find_linear("model.layers.0.mlp.down_proj"), &layer.down);
  }
}

TEST_F(GgufModels, ScalesPerRowAndPerGroupAreFoundAsTheCoarsest) {
  struct Case {
    GgufType type;
    std::function<float(std::int64_t, std::int64_t)> factor;
    std::size_t scales;
    std::int64_t group;
  };
  const auto of_row = [](std::int64_t r, std::int64_t) { return 0.5F + static_cast<float>(r % 64) / 128; };
  const auto of_64 = [](std::int64_t r, std::int64_t c) { return 0.5F + static_cast<float>(r % 7 * 4 + c / 64) / 64; };
  const auto of_128 = [](std::int64_t r, std::int64_t c) {
    return 0.5F + static_cast<float>(r % 7 * 2 + c / 128) / 64;
  };
  for (const Case& one : {Case{GgufType::tq2_0, of_row, 256, 0}, Case{GgufType::q2_0, of_row, 256, 0},
                          Case{GgufType::bf16, of_row, 256, 0}, Case{GgufType::q2_0, of_64, 1024, 64},
                          Case{GgufType::q2_0, of_128, 512, 128}, Case{GgufType::q2_0_128, of_128, 512, 128},
                          Case{GgufType::f16, of_64, 1024, 64}}) {
    SCOPED_TRACE(fmt::format("{} {}", name_of(one.type), one.group));
    // q2_0 is one form or the other for the whole file.
    TinyGguf file = tiny_gguf(one.type);
    std::mt19937 random(9);
    TinyTernary matrix = tiny_ternary(256, 256, random, one.factor);
    file.tensors[kDown + ".weight"] = gguf_ternary(one.type, matrix);
    const LoadedModel loaded = load(file);
    const backend::TernaryWeights& down = *loaded.weights.layers[0].down.ternary;
    expect_equal(down, matrix);
    EXPECT_EQ(down.scales().values.size(), one.scales);
    EXPECT_EQ(down.scales().group, one.group);
  }
  // Wider than any form that is written: two blocks of 256 keep a scale each.
  const MeasuredScales wide{{2.0F, 2.0F, 3.0F, 3.0F, 4.0F, 4.0F, 5.0F, 5.0F}, 2, 1024, 256};
  backend::WeightScales out;
  set_coarsest(wide, out);
  EXPECT_EQ(out.group, 256);
  // A block of zeros has no scale of its own, and fits any.
  set_coarsest({{0.0F, 2.0F, 2.0F, 0.0F}, 2, 128, 64}, out);
  EXPECT_EQ(out.values, std::vector<float>{2.0F});
  set_coarsest({{0.0F, 0.0F}, 1, 128, 64}, out);
  EXPECT_EQ(out.values, std::vector<float>{1.0F});
}

TEST_F(GgufModels, FloatMastersAreQuantizedUnlessTheirRowsAreWoven) {
  std::mt19937 random(3);
  const std::vector<float> master = testing_support::random_floats(256 * 256, random, 0, 0.1F);
  TinyGguf file = tiny_gguf(GgufType::tq2_0);
  file.tensors[kDown + ".weight"] = gguf_floats(GgufType::f32, {256, 256}, master);
  double sum = 0;
  for (const float w : master) sum += std::fabs(w);
  const float s = pack::absmean_scale(sum, 256 * 256);
  TinyTernary expected{256, 256, {}, std::vector<float>(master.size(), 1 / s)};
  for (const float w : master) expected.weights.push_back(pack::ternary_weight(w, s));
  const LoadedModel loaded = load(file);
  expect_equal(*loaded.weights.layers[0].down.ternary, expected);

  file.tensors[kDown + ".scale"] = gguf_floats(GgufType::f32, {1}, {2.0F});
  expect_error(ErrorKind::unsupported, {"blk.0.ffn_down.weight is F32", "not ternary"}, [&] { (void)load(file); });
  TinyGguf llama = tiny_gguf(GgufType::tq2_0, "llama");
  llama.tensors[kDown + ".weight"] = file.tensors[kDown + ".weight"];
  expect_error(ErrorKind::unsupported, {"blk.0.ffn_down.weight is F32", "bitnet quantize"}, [&] { (void)load(llama); });
}

TEST_F(GgufModels, AScaleTensorMultipliesWhatTheWeightsSay) {
  for (const GgufType type : {GgufType::f16, GgufType::tq1_0}) {
    std::map<std::string, TinyTernary> matrices;
    TinyGguf file = tiny_gguf(type, "bitnet", &matrices);
    file.tensors[kDown + ".scale"] = gguf_floats(GgufType::f32, {1}, {0.3F});
    TinyTernary expected = matrices.at(kDown);
    for (float& factor : expected.factors) factor *= 0.3F;
    const LoadedModel loaded = load(file);
    expect_equal(*loaded.weights.layers[0].down.ternary, expected);
    expect_equal(*loaded.weights.layers[0].up.ternary, matrices.at("blk.0.ffn_up"));
    for (const float bad : {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
      file.tensors[kDown + ".scale"] = gguf_floats(GgufType::f32, {1}, {bad});
      expect_error(ErrorKind::corrupt, {"blk.0.ffn_down.scale"}, [&] { (void)load(file); });
    }
  }
}

// The rotary embedding of "llama" turns neighbours, ours turns what is half a head apart. For the file the rows of a
// head [2, D / 2] became [D / 2, 2].
TEST_F(GgufModels, RowsOfQueriesAndKeysOfLlamaAreWoven) {
  std::map<std::string, TinyTernary> matrices;
  TinyGguf file = tiny_gguf(GgufType::q2_0, "llama", &matrices);
  const auto woven = [](std::int64_t row) { return row / 64 * 64 + row % 64 % 32 * 2 + row % 64 / 32; };
  std::map<std::string, std::vector<float>> biases;
  std::mt19937 random(8);
  for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
    const std::string name = "blk.0." + std::string(part);
    TinyTernary& matrix = matrices.at(name);
    for (std::size_t i = 0; i < matrix.factors.size(); ++i) {
      matrix.factors[i] = 0.25F + static_cast<float>(i / 256) / 512;
    }
    biases[part] = testing_support::random_floats(static_cast<std::size_t>(matrix.rows), random, 0, 1);
    const bool turned = biases.size() > 1 ? std::string(part) == "attn_q" || std::string(part) == "attn_k" : true;
    TinyTernary in_file = matrix;
    std::vector<float> bias_in_file = biases[part];
    for (std::int64_t r = 0; r < matrix.rows && turned; ++r) {
      for (std::int64_t c = 0; c < 256; ++c) {
        in_file.weights[static_cast<std::size_t>(woven(r) * 256 + c)] =
            matrix.weights[static_cast<std::size_t>(r * 256 + c)];
        in_file.factors[static_cast<std::size_t>(woven(r) * 256 + c)] =
            matrix.factors[static_cast<std::size_t>(r * 256 + c)];
      }
      bias_in_file[static_cast<std::size_t>(woven(r))] = biases[part][static_cast<std::size_t>(r)];
    }
    file.tensors[name + ".weight"] = gguf_ternary(GgufType::q2_0, in_file);
    file.tensors[name + ".bias"] = gguf_floats(GgufType::f32, {static_cast<std::uint64_t>(matrix.rows)}, bias_in_file);
  }
  const LoadedModel loaded = load(file);
  const model::LayerWeights& layer = loaded.weights.layers[0];
  for (const auto& [part, weights] : {std::pair{"attn_q", &layer.q}, std::pair{"attn_k", &layer.k},
                                      std::pair{"attn_v", &layer.v}, std::pair{"attn_output", &layer.o}}) {
    SCOPED_TRACE(part);
    expect_equal(*weights->ternary, matrices.at("blk.0." + std::string(part)));
    EXPECT_EQ(weights->ternary->scales().bias, biases.at(part));
    EXPECT_EQ(weights->ternary->scales().rule, ScaleRule::multiply);
  }
  EXPECT_EQ(loaded.stored->config().hidden_act, HiddenAct::silu);
  EXPECT_TRUE(loaded.stored->config().attention_bias);
  EXPECT_FALSE(loaded.stored->config().attn_sub_norm);
}

TEST_F(GgufModels, RopeIsPlainLinearOrGivenByFactors) {
  TinyGguf file = tiny_gguf(GgufType::i2_s);
  EXPECT_EQ(config(file).rope_scaling.type, RopeType::standard);
  EXPECT_EQ(config(file).rope_theta, 10000.0);
  file.metadata["bitnet-b1.58.rope.freq_base"] = 500000.0F;
  file.metadata["bitnet-b1.58.rope.scaling.type"] = std::string("linear");
  file.metadata["bitnet-b1.58.rope.scaling.factor"] = 4.0F;
  EXPECT_EQ(config(file).rope_theta, 500000.0);
  EXPECT_EQ(config(file).rope_scaling.type, RopeType::linear);
  EXPECT_EQ(config(file).rope_scaling.factor, 4.0);
  file.metadata["bitnet-b1.58.rope.scaling.type"] = std::string("yarn");
  expect_error(ErrorKind::unsupported, {"rope.scaling.type", "yarn", "linear"}, [&] { (void)load(file); });
  file.metadata.erase("bitnet-b1.58.rope.scaling.type");

  std::vector<float> factors(32, 1.0F);
  factors[31] = 8.0F;
  file.tensors["rope_freqs.weight"] = gguf_floats(GgufType::f32, {32}, factors);
  EXPECT_EQ(config(file).rope_scaling.type, RopeType::factors);
  EXPECT_EQ(config(file).rope_scaling.factors, factors);
  for (const float bad : {0.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    factors[5] = bad;
    file.tensors["rope_freqs.weight"] = gguf_floats(GgufType::f32, {32}, factors);
    expect_error(ErrorKind::corrupt, {"factors"}, [&] { (void)load(file); });
  }
  file.tensors["rope_freqs.weight"] = gguf_floats(GgufType::f32, {31}, std::vector<float>(31, 1.0F));
  expect_error(ErrorKind::corrupt, {"rope_freqs.weight", "[31]", "[32]"}, [&] { (void)load(file); });

  // What the exporter says exactly comes before what other programs read.
  file.metadata["bitnet_core.rope_scaling"] = std::string(
      R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":32})");
  EXPECT_EQ(config(file).rope_scaling.type, RopeType::llama3);
}

TEST_F(GgufModels, EmbeddingAndHeadInAnyForm) {
  for (const auto& [type, form] :
       {std::pair{GgufType::q8_0, pack::QuantBlocks::q8_0}, std::pair{GgufType::q6_k, pack::QuantBlocks::q6_k},
        std::pair{GgufType::q4_0, pack::QuantBlocks::q4_0}}) {
    SCOPED_TRACE(name_of(type));
    TinyGguf file = tiny_gguf(GgufType::i2_s);
    std::mt19937 random(4);
    const std::vector<float> row = testing_support::random_floats(256, random, 0, 0.3F);
    const auto shape = pack::shape_of(form);
    std::string bytes(static_cast<std::size_t>(256 / shape.weights * shape.bytes), '\0');
    pack::quantize_row(form, row.data(), 256, reinterpret_cast<std::uint8_t*>(bytes.data()));
    std::vector<float> expected(256);
    pack::dequantize_row(form, reinterpret_cast<const std::uint8_t*>(bytes.data()), 256, expected.data());
    std::string all;
    for (int r = 0; r < testing_support::kTinyGgufVocab; ++r) all += bytes;
    file.tensors["token_embd.weight"] = {type, {256, testing_support::kTinyGgufVocab}, all};
    const LoadedModel loaded = load(file);
    const std::int32_t ids[] = {7};
    std::vector<float> found(256);
    backend.embed(*loaded.weights.embed, ids, {found.data(), 1, 256});
    EXPECT_EQ(found, expected);
    EXPECT_FALSE(loaded.stored->config().tie_word_embeddings);

    file.tensors.erase("output.weight");
    EXPECT_TRUE(config(file).tie_word_embeddings);
    EXPECT_EQ(load(file).weights.head, nullptr);
  }
}

TEST_F(GgufModels, WhatAFileForgetsIsAssumedAloud) {
  const auto act = [&](const std::string& architecture, const char* tokenizer) {
    TinyGguf file = tiny_gguf(GgufType::i2_s, architecture);
    file.metadata.erase(architecture + ".hidden_activation");
    if (tokenizer != nullptr) file.metadata["tokenizer.ggml.model"] = std::string(tokenizer);
    return config(file).hidden_act;
  };
  for (const char* architecture : {"bitnet-b1.58", "bitnet-25", "bitnet"}) {
    EXPECT_EQ(act(architecture, "gpt2"), HiddenAct::relu2);
    ASSERT_EQ(log.size(), 1U) << architecture;
    EXPECT_NE(log[0].find("hidden_activation"), std::string::npos) << log[0];
    EXPECT_NE(log[0].find("relu2"), std::string::npos) << log[0];
  }
  EXPECT_EQ(act("bitnet", "llama"), HiddenAct::silu);  // 1bitLLM's
  EXPECT_NE(log.at(0).find("silu"), std::string::npos);
  EXPECT_EQ(act("bitnet-b1.58", "llama"), HiddenAct::relu2);
  EXPECT_EQ(act("llama", "gpt2"), HiddenAct::silu);
  EXPECT_TRUE(log.empty());
}

TEST_F(GgufModels, KeysBecomeConfiguration) {
  TinyGguf file = tiny_gguf(GgufType::i2_s);
  file.metadata["tokenizer.ggml.bos_token_id"] = std::uint32_t{1};
  file.metadata["tokenizer.ggml.eos_token_id"] = std::uint32_t{2};
  file.metadata["tokenizer.ggml.padding_token_id"] = std::uint32_t{3};
  file.metadata["tokenizer.ggml.tokens"] = std::vector<std::string>{"a", "b", "</s>", "p", "<|eot_id|>"};
  ModelConfig c = config(file);
  EXPECT_EQ(c.hidden_size, 256);
  EXPECT_EQ(c.num_attention_heads, 4);
  EXPECT_EQ(c.num_key_value_heads, 2);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.vocab_size, testing_support::kTinyGgufVocab);
  EXPECT_EQ(c.max_position_embeddings, 64);
  EXPECT_EQ(c.rms_norm_eps, 1e-5);
  EXPECT_EQ(c.bos_token_id, 1);
  EXPECT_EQ(c.pad_token_id, 3);
  EXPECT_EQ(c.eos_token_id, (std::vector<std::int32_t>{2, 4}))
      << "a turn ends with a token that the file does not name";
  file.metadata["tokenizer.ggml.eot_token_id"] = std::uint32_t{2};
  EXPECT_EQ(config(file).eos_token_id, std::vector<std::int32_t>{2});
  // A folder that holds nothing else is that file.
  EXPECT_EQ(open_model(folder.path(), {})->config().hidden_size, 256);
  file.write(folder.path() / "other.gguf");
  expect_error(ErrorKind::invalid_argument, {"other.gguf", "tiny.gguf"}, [&] { (void)open_model(folder.path(), {}); });
}

TEST_F(GgufModels, SideScalesAreUsedWhenTheyBelongToTheWeights) {
  TinyGguf file = tiny_gguf(GgufType::tq2_0);
  const std::string key = "bitnet_core.scale." + kDown;
  file.metadata["bitnet_core.scale_rule"] = std::string("divide");
  expect_error(ErrorKind::corrupt, {"bitnet_core.scale_rule", "missing"}, [&] { (void)load(file); });
  for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
    file.metadata["bitnet_core.scale.blk.0." + std::string(part)] = std::vector<float>{4.0001F};  // 1 / it: 0.25 in f16
  }
  const LoadedModel loaded = load(file);
  EXPECT_EQ(loaded.weights.layers[0].down.ternary->scales().values, std::vector<float>{4.0001F});
  EXPECT_EQ(loaded.weights.layers[0].down.ternary->scales().rule, ScaleRule::divide);

  for (const std::vector<float>& other : {std::vector<float>{4.1F}, std::vector<float>{0.25F},
                                          std::vector<float>{-4.0F}, std::vector<float>(256, 4.1F)}) {
    file.metadata[key] = other;
    expect_error(ErrorKind::corrupt, {"blk.0.ffn_down", "do not belong together"}, [&] { (void)load(file); });
  }
  file.metadata[key] = std::vector<float>(3, 4.0F);
  expect_error(ErrorKind::corrupt, {"holds 3 scales", "256 × 256"}, [&] { (void)load(file); });
  file.metadata[key] = std::string("4");
  expect_error(ErrorKind::corrupt, {key, "not an array of floats"}, [&] { (void)load(file); });
  file.metadata["bitnet_core.scale_rule"] = std::string("add");
  expect_error(ErrorKind::corrupt, {"\"add\"", "multiply"}, [&] { (void)load(file); });
}

struct GgufFault {
  const char* name;
  ErrorKind kind;
  std::function<void(TinyGguf&)> spoil;
  std::vector<std::string> expected;
};

TEST_F(GgufModels, FaultsGiveOneClearError) {
  const auto key = [](const char* name) { return "bitnet-b1.58." + std::string(name); };
  const GgufFault faults[] = {
      {"architecture",
       ErrorKind::unsupported,
       [](auto& f) { f.metadata["general.architecture"] = std::string("mamba"); },
       {"\"mamba\"", "bitnet-b1.58"}},
      {"no architecture",
       ErrorKind::corrupt,
       [](auto& f) { f.metadata.erase("general.architecture"); },
       {"general.architecture is missing"}},
      {"split", ErrorKind::unsupported, [](auto& f) { f.metadata["split.count"] = std::uint32_t{2}; }, {"split"}},
      {"experts",
       ErrorKind::unsupported,
       [&](auto& f) { f.metadata[key("expert_count")] = std::uint32_t{8}; },
       {"experts"}},
      {"key", ErrorKind::corrupt, [&](auto& f) { f.metadata.erase(key("block_count")); }, {"block_count is missing"}},
      {"layers",
       ErrorKind::corrupt,
       [&](auto& f) { f.metadata[key("block_count")] = std::uint32_t{2}; },
       {"blk.1.attn_norm.weight is missing", "2 layers"}},
      {"heads",
       ErrorKind::corrupt,
       [&](auto& f) { f.metadata[key("attention.head_count")] = std::uint32_t{3}; },
       {"256 rows", "3 heads"}},
      {"part of a head turns",
       ErrorKind::unsupported,
       [&](auto& f) { f.metadata[key("rope.dimension_count")] = std::uint32_t{32}; },
       {"rope.dimension_count is 32"}},
      {"one sub-norm",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors.erase("blk.0.ffn_sub_norm.weight"); },
       {"only one of", "ffn_sub_norm"}},
      {"missing",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors.erase(kDown + ".weight"); },
       {kDown + ".weight is missing"}},
      {"extra",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors["blk.7.x.weight"] = gguf_floats(GgufType::f32, {1}, {1}); },
       {"blk.7.x.weight", "belongs to no part"}},
      {"shape",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors["output_norm.weight"] = gguf_floats(GgufType::f32, {255}, std::vector<float>(255)); },
       {"output_norm.weight", "[255]", "[256]"}},
      {"type of a linear",
       ErrorKind::unsupported,
       [](auto& f) {
         f.tensors[kDown + ".weight"] = {GgufType::q8_0, {256, 256}, std::string(256 * 8 * 34, '\1')};
       },
       {kDown, "Q8_0", "TQ2_0"}},
      {"type of an embedding",
       ErrorKind::unsupported,
       [](auto& f) { f.tensors["output.weight"] = f.tensors[kDown + ".weight"]; },
       {"output.weight", "TQ2_0", "Q6_K"}},
      {"norm",
       ErrorKind::corrupt,
       [](auto& f) {
         f.tensors["output_norm.weight"] = gguf_floats(GgufType::f32, {256}, std::vector<float>(256, INFINITY));
       },
       {"output_norm.weight", "element 0", "inf"}},
      {"code 3",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors[kDown + ".weight"].bytes[66 * 3] = '\x03'; },
       {kDown, "row 3, column 0", "code 3"}},
      {"scale",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors[kDown + ".weight"].bytes.replace(66 * 3 + 64, 2, "\x00\x7c", 2); },
       {kDown, "scale of row 3, column 0 is inf"}},
      {"negative scale",
       ErrorKind::corrupt,
       [](auto& f) { f.tensors[kDown + ".weight"].bytes[66 * 3 + 65] = '\xb4'; },
       {kDown, "row 3, column 0"}},
  };
  for (const GgufFault& fault : faults) {
    SCOPED_TRACE(fault.name);
    TinyGguf file = tiny_gguf(GgufType::tq2_0);
    fault.spoil(file);
    try {
      (void)load(file);
      ADD_FAILURE() << "loaded";
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(fault.kind)) << error.what();
      for (const std::string& part : fault.expected) {
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part << ": " << error.what();
      }
    }
  }
  TinyGguf flat = tiny_gguf(GgufType::i2_s);
  std::string& bytes = flat.tensors[kDown + ".weight"].bytes;
  bytes[32 * 5] = '\xff';  // block 5: row 2 from column 128 on
  expect_error(ErrorKind::corrupt, {kDown, "row 2, column 128", "code 3"}, [&] { (void)load(flat); });
  bytes.replace(256 * 64, 4, std::string(4, '\0'));
  expect_error(ErrorKind::corrupt, {kDown, "scale is 0"}, [&] { (void)load(flat); });
}

}  // namespace
}  // namespace bitnet::loading
