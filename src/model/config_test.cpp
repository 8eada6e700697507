#include <gtest/gtest.h>

#include "base/json.h"
#include "bitnet/error.h"
#include "bitnet/model_config.h"

namespace bitnet {
namespace {

Json flagship() {
  return Json::parse(R"({
    "architectures": ["BitNetForCausalLM"], "hidden_act": "relu2", "hidden_size": 2560, "intermediate_size": 6912,
    "max_position_embeddings": 4096, "num_attention_heads": 20, "num_hidden_layers": 30, "num_key_value_heads": 5,
    "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": true, "vocab_size": 128256,
    "bos_token_id": 128000, "eos_token_id": 128001,
    "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}})");
}

ModelConfig parse(const Json& json) { return ModelConfig::from_json(json.dump(), "config.json"); }

/// The message of the error that the configuration causes; empty when there is none.
std::string error_of(const Json& json, ErrorKind kind) {
  try {
    (void)parse(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "";
}

TEST(ModelConfig, ReadsTheFlagship) {
  const ModelConfig c = parse(flagship());
  EXPECT_EQ(c.head_dim, 128);
  EXPECT_EQ(c.num_key_value_heads, 5);
  EXPECT_EQ(c.hidden_act, HiddenAct::relu2);
  EXPECT_EQ(c.feed_forward, FeedForwardKind::gated);
  EXPECT_TRUE(c.attn_sub_norm && c.ffn_sub_norm && c.tie_word_embeddings);
  EXPECT_DOUBLE_EQ(c.rope_theta, 500000.0);
  EXPECT_EQ(c.quantization.linear_class, LinearClass::autobitlinear);
  EXPECT_EQ(c.quantization.mode, QuantizationMode::offline);
  EXPECT_EQ(c.eos_token_id, std::vector<std::int32_t>{128001});
}

TEST(ModelConfig, DefaultsFollowTheReference) {
  Json json = flagship();
  json["quantization_config"] = {{"quant_method", "bitnet"}};
  for (const char* key : {"rms_norm_eps", "rope_theta", "num_key_value_heads", "tie_word_embeddings"}) json.erase(key);
  const ModelConfig c = parse(json);
  EXPECT_EQ(c.quantization.linear_class, LinearClass::bitlinear);
  EXPECT_EQ(c.quantization.mode, QuantizationMode::offline);
  EXPECT_EQ(c.quantization.modules_to_not_convert, std::vector<std::string>{"lm_head"});
  EXPECT_DOUBLE_EQ(c.rms_norm_eps, 1e-6);
  EXPECT_DOUBLE_EQ(c.rope_theta, 10000.0);
  EXPECT_EQ(c.num_key_value_heads, 20);
  EXPECT_FALSE(c.tie_word_embeddings);
}

TEST(ModelConfig, HeadDimMayDifferFromHiddenOverHeads) {
  Json json = flagship();
  json["head_dim"] = 256;
  EXPECT_EQ(parse(json).head_dim, 256);
}

TEST(ModelConfig, OneBitLlmIsQuantizedWhenLoaded) {
  Json json = flagship();
  json["architectures"] = {"BitnetForCausalLM"};
  json["hidden_act"] = "silu";
  json.erase("quantization_config");
  json["weight_bits"] = 1;
  json["input_bits"] = 8;
  const ModelConfig c = parse(json);
  EXPECT_EQ(c.quantization.mode, QuantizationMode::online);
  EXPECT_TRUE(c.attn_sub_norm && c.ffn_sub_norm);
  json["weight_bits"] = 4;
  EXPECT_NE(error_of(json, ErrorKind::unsupported).find("weight_bits 4"), std::string::npos);
}

TEST(ModelConfig, TheOriginalDesignIsPlain) {
  Json json = flagship();
  json["architectures"] = {"BitnetCoreForCausalLM"};
  json.erase("quantization_config");
  json.erase("hidden_act");
  const ModelConfig c = parse(json);
  EXPECT_EQ(c.feed_forward, FeedForwardKind::plain);
  EXPECT_EQ(c.hidden_act, HiddenAct::gelu);
  EXPECT_FALSE(c.attn_sub_norm || c.ffn_sub_norm);
}

TEST(ModelConfig, RopeScalingOldAndNewSpelling) {
  Json json = flagship();
  json["rope_scaling"] = {{"type", "linear"}, {"factor", 4.0}};
  EXPECT_EQ(parse(json).rope_scaling.type, RopeType::linear);
  json.erase("rope_theta");
  json["rope_parameters"] = {{"rope_type", "llama3"},   {"rope_theta", 1e4},
                             {"factor", 8.0},           {"low_freq_factor", 1.0},
                             {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 8192}};
  const ModelConfig c = parse(json);
  EXPECT_EQ(c.rope_scaling.type, RopeType::llama3);
  EXPECT_DOUBLE_EQ(c.rope_theta, 1e4);
  EXPECT_EQ(c.rope_scaling.original_max_position_embeddings, 8192);
}

TEST(ModelConfig, WithoutQuantizationTheWeightsMayBeTernaryAsTheyStand) {
  Json json = flagship();
  json.erase("quantization_config");
  const ModelConfig c = parse(json);
  EXPECT_EQ(c.quantization.mode, QuantizationMode::dequantized);
  EXPECT_EQ(c.quantization.linear_class, LinearClass::autobitlinear);
}

Json gemma() {
  return Json::parse(R"({
    "architectures": ["Gemma3TextModel"], "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 640,
    "intermediate_size": 2048, "max_position_embeddings": 32768, "num_attention_heads": 4, "num_hidden_layers": 7,
    "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144, "query_pre_attn_scalar": 256,
    "sliding_window": 512, "rope_theta": 1000000.0, "rope_local_base_freq": 20000.0, "rope_scaling": null,
    "final_logit_softcapping": null, "attn_logit_softcapping": null, "use_bidirectional_attention": false})");
}

TEST(ModelConfig, ReadsGemma3) {
  Json json = gemma();
  const ModelConfig c = parse(json);
  EXPECT_TRUE(c.input_norms && c.head_norms && c.branch_norms && c.norms_add_one && c.scale_embed);
  EXPECT_FALSE(c.attn_sub_norm || c.ffn_sub_norm);
  EXPECT_TRUE(c.tie_word_embeddings);
  EXPECT_EQ(c.hidden_act, HiddenAct::gelu_tanh);
  EXPECT_EQ(c.query_pre_attn_scalar, 256.0);
  EXPECT_EQ(c.sliding_window, 512);
  EXPECT_EQ(c.rope_theta, 1e6);
  EXPECT_EQ(c.rope_local_base_freq, 20000.0);
  EXPECT_EQ(c.quantization.mode, QuantizationMode::online);
  EXPECT_EQ(c.quantization.linear_class, LinearClass::autobitlinear);
  // Without layer_types every sixth layer sees everything.
  for (std::int64_t layer = 0; layer < 7; ++layer) EXPECT_EQ(c.slides(layer), layer != 5) << layer;
  json["sliding_window_pattern"] = 2;
  EXPECT_FALSE(parse(json).slides(1));

  // The spelling of transformers 5, which wins over the older one.
  json["layer_types"] = Json(7, "full_attention");
  json["layer_types"][3] = "sliding_attention";
  json["rope_parameters"] = {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 5e5}}},
                             {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 7000.0}}}};
  const ModelConfig newer = parse(json);
  EXPECT_EQ(newer.rope_theta, 5e5);
  EXPECT_EQ(newer.rope_scaling.type, RopeType::linear);
  EXPECT_EQ(newer.rope_local_base_freq, 7000.0);
  for (std::int64_t layer = 0; layer < 7; ++layer) EXPECT_EQ(newer.slides(layer), layer == 3) << layer;
}

TEST(ModelConfig, ReadsQwen3) {
  Json json = flagship();
  json["architectures"] = {"Qwen3Model"};
  json["hidden_act"] = "silu";
  json["tie_word_embeddings"] = false;  // a base model has no head to untie
  json["sliding_window"] = nullptr;
  json["use_sliding_window"] = false;
  json.erase("quantization_config");
  const ModelConfig c = parse(json);
  EXPECT_TRUE(c.input_norms && c.head_norms && c.tie_word_embeddings);
  EXPECT_FALSE(c.branch_norms || c.norms_add_one || c.scale_embed || c.attn_sub_norm || c.slides(0));
  EXPECT_FALSE(c.rope_local_base_freq || c.query_pre_attn_scalar);
  EXPECT_EQ(c.quantization.mode, QuantizationMode::online);
  json["architectures"] = {"Qwen3ForCausalLM"};
  EXPECT_FALSE(parse(json).tie_word_embeddings);
  json["use_sliding_window"] = true;
  EXPECT_NE(error_of(json, ErrorKind::unsupported).find("use_sliding_window"), std::string::npos);
}

TEST(ModelConfig, RefusesWhatGemma3CouldDoDifferently) {
  struct Case {
    const char* patch;
    ErrorKind kind;
    const char* expected;
  };
  const Case cases[] = {
      {R"({"final_logit_softcapping": 30.0})", ErrorKind::unsupported, "final_logit_softcapping"},
      {R"({"attn_logit_softcapping": 50.0})", ErrorKind::unsupported, "attn_logit_softcapping"},
      {R"({"use_bidirectional_attention": true})", ErrorKind::unsupported, "use_bidirectional_attention"},
      {R"({"hidden_activation": null, "hidden_act": "silu"})", ErrorKind::corrupt, "hidden_activation is missing"},
      {R"({"layer_types": ["full_attention"]})", ErrorKind::corrupt, "a list of 7"},
      {R"({"layer_types": [1, 2, 3, 4, 5, 6, 7]})", ErrorKind::corrupt, "sliding_attention"},
      {R"({"sliding_window": null})", ErrorKind::corrupt, "sliding_window is missing"},
      {R"({"sliding_window": 0})", ErrorKind::corrupt, "sliding_window"},
      {R"({"query_pre_attn_scalar": 0})", ErrorKind::corrupt, "query_pre_attn_scalar"},
      {R"({"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2}}})", ErrorKind::unsupported,
       "sliding_attention"},
      {R"({"rope_parameters": {"full_attention": 3}})", ErrorKind::corrupt, "rope_parameters.full_attention"},
  };
  for (const Case& bad : cases) {
    Json json = gemma();
    json.merge_patch(Json::parse(bad.patch));
    EXPECT_NE(error_of(json, bad.kind).find(bad.expected), std::string::npos) << bad.patch;
  }
}

struct BadConfig {
  const char* patch;  // a JSON merge patch
  ErrorKind kind;
  const char* expected;
};

class BadConfigTest : public testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigTest, IsRefusedNamingTheField) {
  Json json = flagship();
  json.merge_patch(Json::parse(GetParam().patch));
  const std::string message = error_of(json, GetParam().kind);
  EXPECT_NE(message.find(GetParam().expected), std::string::npos) << message;
  EXPECT_NE(message.find("config.json"), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadConfigTest,
    testing::Values(
        BadConfig{R"({"architectures": ["GPT2LMHeadModel"]})", ErrorKind::unsupported,
                  "supported are BitNetForCausalLM"},
        BadConfig{R"({"architectures": null})", ErrorKind::corrupt, "architectures"},
        BadConfig{R"({"architectures": []})", ErrorKind::corrupt, "architectures"},
        BadConfig{R"({"hidden_act": "mish"})", ErrorKind::unsupported, "\"mish\""},
        BadConfig{R"({"hidden_act": null})", ErrorKind::corrupt, "hidden_act is missing"},
        BadConfig{R"({"hidden_size": 0})", ErrorKind::corrupt, "hidden_size"},
        BadConfig{R"({"hidden_size": 1e30})", ErrorKind::corrupt, "hidden_size"},
        BadConfig{R"({"hidden_size": "2560"})", ErrorKind::corrupt, "hidden_size"},
        BadConfig{R"({"hidden_size": 18446744073709551615})", ErrorKind::corrupt, "hidden_size"},
        BadConfig{R"({"num_hidden_layers": -1})", ErrorKind::corrupt, "num_hidden_layers"},
        BadConfig{R"({"num_key_value_heads": 3})", ErrorKind::corrupt, "multiple of num_key_value_heads"},
        BadConfig{R"({"num_attention_heads": 5, "num_key_value_heads": 5, "hidden_size": 2561})", ErrorKind::corrupt,
                  "hidden_size 2561"},
        BadConfig{R"({"head_dim": 65})", ErrorKind::corrupt, "odd"},
        BadConfig{R"({"rms_norm_eps": "small"})", ErrorKind::corrupt, "rms_norm_eps"},
        BadConfig{R"({"rms_norm_eps": -1})", ErrorKind::corrupt, "rms_norm_eps"},
        BadConfig{R"({"rope_scaling": {"rope_type": "yarn", "factor": 2}})", ErrorKind::unsupported, "\"yarn\""},
        BadConfig{R"({"rope_scaling": {"rope_type": "linear"}})", ErrorKind::corrupt, "factor"},
        BadConfig{R"({"rope_scaling": {"rope_type": "llama3", "factor": 2, "high_freq_factor": 1}})",
                  ErrorKind::corrupt, "high_freq_factor"},
        BadConfig{R"({"quantization_config": {"quant_method": "gptq"}})", ErrorKind::unsupported, "\"gptq\""},
        BadConfig{R"({"quantization_config": {"linear_class": "x"}})", ErrorKind::unsupported, "linear_class"},
        BadConfig{R"({"quantization_config": {"quantization_mode": "x"}})", ErrorKind::unsupported,
                  "quantization_mode"},
        BadConfig{R"({"quantization_config": {"linear_class": "bitlinear", "quantization_mode": "online"}})",
                  ErrorKind::unsupported, "autobitlinear"},
        BadConfig{R"({"eos_token_id": [1, -2]})", ErrorKind::corrupt, "eos_token_id"},
        BadConfig{R"({"tie_word_embeddings": 1})", ErrorKind::corrupt, "tie_word_embeddings"}));

}  // namespace
}  // namespace bitnet
