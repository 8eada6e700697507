// Conversions of small random checkpoints: what comes out says the same, to the bit, and nothing half-written stays.
#include "bitnet/convert.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <numeric>
#include <sstream>

#include "base/fail.h"
#include "base/text_file.h"
#include "bitnet/error.h"
#include "engine/verify.h"
#include "loading/stored_model.h"
#include "pack/absmean.h"
#include "support/expect_error.h"
#include "support/tiny_gguf.h"

namespace bitnet {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::tiny_checkpoint;
using testing_support::TinyCheckpoint;

/// One layer, of sizes that every form takes.
Json wide_config() {
  Json config = testing_support::tiny_config();
  config["hidden_size"] = 256;
  config["intermediate_size"] = 512;
  config["num_hidden_layers"] = 1;
  config["head_dim"] = 64;
  return config;
}

/// What scales there are: ones that bf16 and f16 round, ones that both hold, or always the same.
enum class Values { rounded, exact, equal };

/// Scales of a linear layer, [rows] or [rows, groups].
void set_scales(TinyCheckpoint& checkpoint, const std::string& module, const Shape& shape, Values values) {
  Tensor scales(DType::f32, shape);
  int i = 0;
  for (float& scale : scales.as<float>()) {
    if (values != Values::equal) ++i;
    scale = 0.5F + static_cast<float>(i % 97) / 256 + (values == Values::rounded ? 1e-5F : 0);
  }
  checkpoint.tensors[module + ".weight_scale"] = std::move(scales);
}

constexpr const char* kGroupedLayers[] = {"self_attn.q_proj", "mlp.up_proj", "mlp.down_proj"};

TinyCheckpoint grouped(std::int64_t columns, Values values) {
  TinyCheckpoint out = tiny_checkpoint(wide_config());
  for (const std::string layer : kGroupedLayers) {
    const std::int64_t rows = layer == "mlp.up_proj" ? 512 : 256;
    const std::int64_t cols = layer == "mlp.down_proj" ? 512 : 256;
    const Shape shape = columns == 0 ? Shape{rows} : Shape{rows, cols / columns};
    set_scales(out, "model.layers.0." + layer, shape, values);
  }
  return out;
}

class Conversions : public testing::Test {
 protected:
  testing_support::TemporaryFolder folder;

  fs::path path(const std::string& name) const { return folder.path() / name; }
  fs::path write(const TinyCheckpoint& checkpoint, const std::string& name = "source") const {
    fs::create_directories(path(name));
    checkpoint.write(path(name));
    return path(name);
  }
  fs::path convert_to(const fs::path& from, const std::string& name, const std::string& weights = "") const {
    ConvertOptions options;
    options.weights = weights;
    convert(from, path(name), options);
    return path(name);
  }
  std::string bytes(const fs::path& file) const { return read_text_file(file, std::size_t{64} << 20); }
  /// Everything in `folder` but what was there.
  std::vector<std::string> leftovers(const std::string& but) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      if (entry.path().filename() != but) names.push_back(entry.path().filename());
    }
    return names;
  }
};

/// Equal to the bit: weights, scales, logits.
void expect_identical(const fs::path& first, const fs::path& second) {
  const VerifyReport report = compare_models(Engine::load(first), Engine::load(second));
  EXPECT_GT(report.comparisons.size(), 10U);
  for (const Comparison& one : report.comparisons) EXPECT_EQ(one.largest, 0) << one.name;
}

TinyCheckpoint with(const std::function<void(Json&)>& change) {
  Json config = wide_config();
  change(config);
  return tiny_checkpoint(config);
}

void make_llama(Json& config) {
  config["architectures"] = {"LlamaForCausalLM"};
  config["hidden_act"] = "silu";
  config["tie_word_embeddings"] = true;
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 16}};
}

void make_divide(Json& config) {
  config["quantization_config"].erase("linear_class");
  config["attention_bias"] = true;
}

struct FormsCase {
  const char* name;
  std::function<TinyCheckpoint()> source;
  std::string forms;
};

const std::string kBlockForms = "packed bf16 tq1_0 tq2_0 q2_0";
const std::string kGroupForms = "packed bf16 q2_0";

class EveryForm : public Conversions, public testing::WithParamInterface<FormsCase> {};

TEST_P(EveryForm, IsTheSourceToTheBit) {
  const fs::path source = write(GetParam().source());
  std::istringstream forms(GetParam().forms);
  for (std::string form; forms >> form;) {
    SCOPED_TRACE(form);
    const bool in_folder = form == "packed" || form == "bf16";
    const fs::path there = convert_to(source, form + (in_folder ? "" : ".gguf"), form);
    expect_identical(source, there);
    expect_identical(source, convert_to(there, form + "-packed"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, EveryForm,
    testing::Values(FormsCase{"multiplies", [] { return tiny_checkpoint(wide_config()); }, kBlockForms + " i2_s"},
                    FormsCase{"divides_with_biases", [] { return with(make_divide); }, kBlockForms + " i2_s"},
                    FormsCase{
                        "masters",
                        [] { return with([](Json& c) { c["quantization_config"]["quantization_mode"] = "online"; }); },
                        kBlockForms + " i2_s"},
                    FormsCase{"llama3", [] { return with(make_llama); }, kBlockForms + " i2_s"},
                    FormsCase{"biases_inside_the_scale",
                              [] {
                                return with([](Json& c) {
                                  make_llama(c);
                                  c["attention_bias"] = true;
                                });
                              },
                              "packed bf16 i2_s tq2_0"},
                    FormsCase{"linear_rope",
                              [] {
                                return with([](Json& c) { c["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}}; });
                              },
                              "i2_s"},
                    FormsCase{"rows", [] { return grouped(0, Values::rounded); }, kBlockForms},
                    FormsCase{"groups_of_64", [] { return grouped(64, Values::rounded); }, kGroupForms},
                    FormsCase{"groups_of_128", [] { return grouped(128, Values::exact); }, kGroupForms},
                    FormsCase{"groups_of_256", [] { return grouped(256, Values::exact); }, kBlockForms},
                    FormsCase{"equal_groups", [] { return grouped(64, Values::equal); }, kGroupForms}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(Conversions, TheOriginalDesignStaysPacked) {
  Json plain = wide_config();
  plain["architectures"] = {"BitnetCoreForCausalLM"};
  plain["hidden_act"] = "gelu";
  plain.erase("quantization_config");
  const fs::path source = write(tiny_checkpoint(plain));
  expect_identical(source, convert_to(source, "packed"));
  expect_error(ErrorKind::unsupported, {"BitnetCoreForCausalLM", "Hugging Face folder"},
               [&] { convert_to(source, "a.gguf"); });
  expect_error(ErrorKind::unsupported, {"BitnetCoreForCausalLM", "packed"}, [&] { convert_to(source, "b", "bf16"); });
  EXPECT_EQ(leftovers("source"), std::vector<std::string>{"packed"});
}

TEST_F(Conversions, LayersInFullPrecisionStay) {
  Json config = wide_config();
  config["quantization_config"]["modules_to_not_convert"] = {"o_proj"};
  TinyCheckpoint checkpoint = tiny_checkpoint(config);
  std::mt19937 random(3);
  const std::string name = "model.layers.0.self_attn.o_proj.weight";
  checkpoint.tensors.erase(name + "_scale");
  checkpoint.tensors[name] = testing_support::bf16_tensor(Shape{256, 256}, random, 0, 0.1F);
  const fs::path source = write(checkpoint);
  const fs::path once = convert_to(source, "once");
  expect_identical(source, once);
  EXPECT_EQ(bytes(convert_to(once, "twice") / "config.json"), bytes(once / "config.json"));
  expect_error(ErrorKind::unsupported, {"o_proj", "full precision"}, [&] { convert_to(source, "a.gguf"); });
  expect_error(ErrorKind::unsupported, {"o_proj", "full precision"}, [&] { convert_to(source, "b", "bf16"); });
}

TEST_F(Conversions, RoundTripsGiveTheSameBytes) {
  TinyCheckpoint checkpoint = tiny_checkpoint(wide_config());
  set_scales(checkpoint, "model.layers.0.mlp.up_proj", Shape{1}, Values::rounded);
  const fs::path source = write(checkpoint);
  testing_support::write_text(source / "tokenizer_config.json", R"({"chat_template": "{{ messages }}", "x": 1})");
  fs::copy_file(BITNET_SOURCE_DIR "/models/fairy-bitnet/tokenizer.json", source / "tokenizer.json");
  expect_error(ErrorKind::corrupt, {"tokenizer.json", "vocab_size of 50"}, [&] { convert_to(source, "a.gguf"); });
  fs::remove(source / "tokenizer.json");
  for (const std::string form : {"i2_s", "tq1_0", "tq2_0", "q2_0"}) {
    const fs::path first = convert_to(source, form + ".gguf", form);
    const fs::path unpacked = convert_to(first, form + "-folder");
    const fs::path second = convert_to(unpacked, form + "-again.gguf", form);
    EXPECT_EQ(bytes(first), bytes(second)) << form;
    EXPECT_EQ(bytes(convert_to(second, form + "-folder-again") / "model.safetensors"),
              bytes(unpacked / "model.safetensors"));
  }
  EXPECT_EQ(bytes(convert_to(source, "same.gguf", "tq2_0")), bytes(path("tq2_0.gguf")));
  for (const std::string form : {"packed", "bf16"}) {
    const fs::path first = convert_to(source, form + "-1", form);
    const fs::path second = convert_to(first, form + "-2", form);
    EXPECT_EQ(bytes(first / "model.safetensors"), bytes(second / "model.safetensors"));
    EXPECT_EQ(bytes(first / "config.json"), bytes(second / "config.json"));
  }
}

// Sums of a group are scaled before they are added: which inputs belong together decides the last bits.
TEST_F(Conversions, GroupsStayWhatTheyAreWhereAllScalesAreEqual) {
  const fs::path source = write(grouped(64, Values::equal));
  for (const fs::path& out : {convert_to(source, "a.gguf", "q2_0"), convert_to(source, "b", "bf16")}) {
    const auto stored = loading::open_model(out, {});
    loading::for_each_field(stored->config(), [&](const model::TensorRule& rule, std::int64_t layer) {
      if (rule.field != model::Field::down) return;
      EXPECT_EQ(stored->linear(rule, layer).scales.group, 64);
      EXPECT_EQ(stored->linear(rule, layer).scales.values.size(), 256U * 8);
    });
  }
}

TEST_F(Conversions, OtherProgramsFindLlama3sRopeAsFactors) {
  convert_to(write(with(make_llama)), "a.gguf");
  const formats::GgufFile file(path("a.gguf"));
  const formats::GgufTensor* tensor = file.find("rope_freqs.weight");
  ASSERT_NE(tensor, nullptr);
  ASSERT_EQ(tensor->shape, Shape{32});
  std::vector<float> factors(32);
  file.read(*tensor, 0, std::as_writable_bytes(std::span(factors)));
  EXPECT_TRUE(std::is_sorted(factors.begin(), factors.end()));
  EXPECT_GE(factors.front(), 1.0F);
  EXPECT_LT(factors.front(), 2.0F);
  EXPECT_FLOAT_EQ(factors.back(), 8.0F);  // "factor", of the slow pairs
}

TEST_F(Conversions, ManyEndsOfTextTravel) {
  TinyCheckpoint checkpoint = tiny_checkpoint(wide_config());
  checkpoint.config["eos_token_id"] = {2, 3, 5};
  const fs::path source = write(checkpoint);
  const Engine engine = Engine::load(convert_to(source, "a.gguf"));
  EXPECT_EQ(engine.default_settings().eos_token_id, (std::vector<std::int32_t>{2, 3, 5}));
  EXPECT_EQ(engine.config().eos_token_id, (std::vector<std::int32_t>{2, 3})) << "what other programs see";
}

TEST_F(Conversions, ShapesThatAFormCannotHoldAreNamed) {
  const fs::path narrow = write(tiny_checkpoint(testing_support::tiny_config()), "narrow");
  convert_to(narrow, "flat.gguf", "i2_s");
  expect_identical(narrow, path("flat.gguf"));
  for (const std::string form : {"tq1_0", "tq2_0", "q2_0"}) {
    expect_error(ErrorKind::unsupported, {"blk.0.attn_q", "80 × 48", "needs a multiple of"},
                 [&] { convert_to(narrow, "x.gguf", form); });
  }
  const fs::path rows = write(grouped(0, Values::rounded), "rows");
  expect_error(ErrorKind::unsupported, {"256 scales", "i2_s holds one", "tq2_0"}, [&] { convert_to(rows, "x.gguf"); });
  const fs::path groups = write(grouped(64, Values::rounded), "groups");
  expect_error(ErrorKind::unsupported, {"one scale for 64 columns", "q2_0"},
               [&] { convert_to(groups, "x.gguf", "tq1_0"); });
  ConvertOptions options;
  options.embedding = "q6_k";
  expect_error(ErrorKind::unsupported, {"48 columns", "Q6_K needs a multiple of 256"},
               [&] { convert(narrow, path("x.gguf"), options); });
  expect_error(ErrorKind::unsupported, {"Q6_K", ".gguf"}, [&] { convert(narrow, path("x"), options); });
  options.embedding = "q5";
  expect_error(ErrorKind::invalid_argument, {"\"q5\"", "q8_0"}, [&] { convert(narrow, path("x.gguf"), options); });
  expect_error(ErrorKind::invalid_argument, {"tq2_0", "*.gguf"}, [&] { convert_to(narrow, "x", "tq2_0"); });
  expect_error(ErrorKind::invalid_argument, {"packed", "x.gguf"}, [&] { convert_to(narrow, "x.gguf", "packed"); });
  expect_error(ErrorKind::invalid_argument, {"\"tq3\"", "i2_s, tq1_0"}, [&] { convert_to(narrow, "x.gguf", "tq3"); });
  EXPECT_FALSE(fs::exists(path("x.gguf")) || fs::exists(path("x")));
}

TEST_F(Conversions, EmbeddingAndHeadGetTheTypesThatAreAskedFor) {
  const fs::path source = write(tiny_checkpoint(wide_config()));
  ConvertOptions options;
  options.embedding = "q8_0";
  options.head = "f32";
  convert(source, path("a.gguf"), options);
  const Engine converted = Engine::load(path("a.gguf"));
  for (const TensorInfo& tensor : converted.info().tensors) {
    if (tensor.name == "token_embd.weight") {
      EXPECT_EQ(tensor.dtype, "Q8_0");
    }
    if (tensor.name == "output.weight") {
      EXPECT_EQ(tensor.dtype, "F32");
    }
  }
  const VerifyReport report = compare_models(Engine::load(source), converted);
  EXPECT_TRUE(report.ok());
  for (const Comparison& one : report.comparisons) {
    if (one.name == "model.embed_tokens.weight") {
      EXPECT_GT(one.largest, 0);
    }
    if (one.name == "lm_head.weight") {
      EXPECT_EQ(one.largest, 0);
    }
  }
}

TEST_F(Conversions, WhatIsThereStays) {
  const fs::path source = write(tiny_checkpoint(testing_support::tiny_config()));
  fs::create_directories(path("full"));
  testing_support::write_text(path("full") / "notes.txt", "mine");
  expect_error(ErrorKind::invalid_argument, {"full", "not an empty folder"}, [&] { convert_to(source, "full"); });
  EXPECT_EQ(bytes(path("full") / "notes.txt"), "mine");
  fs::create_directories(path("empty"));
  for (const std::string name : {"empty/", "new/", "other/."}) convert_to(source, name);
  for (const std::string name : {"empty", "new", "other"}) EXPECT_TRUE(fs::exists(path(name) / "config.json"));
  expect_error(ErrorKind::not_found, {"nowhere"}, [&] { convert(path("nowhere"), path("x"), {}); });
}

/// No file of this process may grow beyond so many bytes; writing more is an error, as on a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(Conversions, NothingHalfWrittenIsLeft) {
  const fs::path source = write(tiny_checkpoint(testing_support::tiny_config()));
  for (const std::string name : {"out.gguf", "out"}) {
    {
      const FullDisk disk(8192);
      expect_error(ErrorKind::io, {"cannot write", "out"}, [&] { convert_to(source, name); });
    }
    EXPECT_EQ(leftovers("source"), std::vector<std::string>{}) << name;
    ConvertOptions options;
    int calls = 0;
    options.on_progress = [&](double fraction) {
      EXPECT_GE(fraction, 0);
      EXPECT_LE(fraction, 1);
      if (++calls == 5) fail(ErrorKind::cancelled, "stopped");
    };
    expect_error(ErrorKind::cancelled, {"stopped"}, [&] { convert(source, path(name), options); });
    EXPECT_EQ(leftovers("source"), std::vector<std::string>{}) << name;
  }
}

TEST_F(Conversions, QuantizingIsAbsmeanOverWhatAScaleBelongsTo) {
  Json config = wide_config();
  config["quantization_config"]["quantization_mode"] = "online";  // float weights
  TinyCheckpoint checkpoint = tiny_checkpoint(config);
  const std::vector<float> master = to_f32(checkpoint.tensors.at("model.layers.0.mlp.down_proj.weight").view());
  checkpoint.config.erase("quantization_config");
  const fs::path source = write(checkpoint);
  expect_error(ErrorKind::unsupported, {"not ternary as they stand", "bitnet quantize"},
               [&] { convert_to(source, "x"); });
  for (const auto& [name, columns] :
       {std::pair{"tensor", 0}, std::pair{"row", 512}, std::pair{"group-64", 64}, std::pair{"group-128", 128}}) {
    SCOPED_TRACE(name);
    const std::size_t count = columns == 0 ? master.size() : static_cast<std::size_t>(columns);
    std::vector<float> gammas;
    double errors = 0;
    double squares = 0;
    double zeros = 0;
    for (std::size_t begin = 0; begin < master.size(); begin += count) {
      double sum = 0;
      for (std::size_t i = begin; i < begin + count; ++i) sum += std::fabs(master[i]);
      const float s = 1.0F / std::max(static_cast<float>(sum / static_cast<double>(count)), 1e-5F);
      float gamma = 1.0F / s;
      if (columns == 64 || columns == 128) gamma = f16_to_f32(f32_to_f16(gamma));
      gammas.push_back(gamma);
      for (std::size_t i = begin; i < begin + count; ++i) {
        const float t = std::clamp(std::nearbyint(master[i] * s), -1.0F, 1.0F);
        errors += std::pow(master[i] - t * gamma, 2);
        squares += std::pow(master[i], 2);
        zeros += t == 0 ? 1 : 0;
      }
    }
    QuantizeOptions options;
    options.granularity = name;
    options.output.weights = "q2_0";
    const std::vector<QuantizedLayer> layers = quantize(source, path("q.gguf"), options);
    ASSERT_EQ(layers.size(), 7U);
    const QuantizedLayer& down = layers.back();
    EXPECT_EQ(down.name, "model.layers.0.mlp.down_proj");
    EXPECT_EQ(down.scales, static_cast<std::int64_t>(gammas.size()));
    EXPECT_NEAR(down.error, std::sqrt(errors / squares), 1e-6);
    EXPECT_DOUBLE_EQ(down.zeros, zeros / static_cast<double>(master.size()));
    const double mean = std::accumulate(gammas.begin(), gammas.end(), 0.0) / static_cast<double>(gammas.size());
    EXPECT_NEAR(down.scale, mean, 1e-6);

    options.output.weights = "packed";
    (void)quantize(source, path("packed"), options);
    expect_identical(path("q.gguf"), path("packed"));
    const auto written = formats::SafetensorsCheckpoint::open(path("packed"));
    EXPECT_EQ(to_f32(written.find("model.layers.0.mlp.down_proj.weight_scale")->view), gammas);
    EXPECT_TRUE(quantize(path("packed"), path("again"), {}).empty()) << "it is ternary already";
    expect_identical(path("packed"), path("again"));
    for (const char* made : {"packed", "again"}) fs::remove_all(path(made));
  }
  QuantizeOptions wrong;
  wrong.granularity = "column";
  expect_error(ErrorKind::invalid_argument, {"\"column\"", "group-128"},
               [&] { (void)quantize(source, path("x"), wrong); });
}

TEST_F(Conversions, AGroupAtTheEndOfARowIsShorter) {
  Json config = testing_support::tiny_config();
  config["quantization_config"]["quantization_mode"] = "online";
  const TinyCheckpoint checkpoint = tiny_checkpoint(config);
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  const std::vector<float> master = to_f32(checkpoint.tensors.at(name).view());  // [48, 80]
  double sum = 0;
  for (std::size_t c = 64; c < 80; ++c) sum += std::fabs(master[c]);
  QuantizeOptions options;
  options.granularity = "group-64";
  (void)quantize(write(checkpoint), path("out"), options);
  const auto written = formats::SafetensorsCheckpoint::open(path("out"));
  EXPECT_NEAR(to_f32(written.find(name + "_scale")->view).at(1), sum / 16, 1e-4);
}

}  // namespace
}  // namespace bitnet
