#pragma once
/// Small GGUF files written from the format's definition, tensor by tensor, so that a test can spoil one.

#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "base/float16.h"
#include "formats/gguf.h"
#include "pack/i2_s.h"
#include "pack/quant_blocks.h"
#include "pack/ternary_blocks.h"
#include "support/tiny_checkpoint.h"

namespace bitnet::testing_support {

using formats::GgufType;

struct TinyTensor {
  GgufType type = GgufType::f32;
  std::vector<std::uint64_t> shape;  ///< in the file's order
  std::string bytes;
};

/// A ternary matrix and what its weights are multiplied with.
struct TinyTernary {
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<std::int8_t> weights;
  std::vector<float> factors;  ///< of each weight
};

inline std::string float_bytes(GgufType type, const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) {
    if (type == GgufType::f32) {
      bytes.append(reinterpret_cast<const char*>(&value), 4);
    } else {
      const std::uint16_t half = type == GgufType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
      bytes.append(reinterpret_cast<const char*>(&half), 2);
    }
  }
  return bytes;
}

inline TinyTensor gguf_floats(GgufType type, std::vector<std::uint64_t> shape, const std::vector<float>& values) {
  return {type, std::move(shape), float_bytes(type, values)};
}

inline TinyTensor gguf_ternary(GgufType type, const TinyTernary& matrix) {
  TinyTensor out{type, {static_cast<std::uint64_t>(matrix.cols), static_cast<std::uint64_t>(matrix.rows)}, ""};
  const auto bytes = [&] { return reinterpret_cast<std::uint8_t*>(out.bytes.data()); };
  const auto count = matrix.rows * matrix.cols;
  if (type == GgufType::i2_s) {
    out.bytes.resize(static_cast<std::size_t>(count / 4 + pack::kI2sTailBytes));
    pack::pack_i2_s(matrix.weights.data(), count, bytes());
    pack::write_i2_s_tail(matrix.factors[0], bytes() + count / 4);
  } else if (type == GgufType::f32 || type == GgufType::f16 || type == GgufType::bf16) {
    std::vector<float> values;
    for (std::size_t i = 0; i < matrix.weights.size(); ++i) values.push_back(matrix.weights[i] * matrix.factors[i]);
    out.bytes = float_bytes(type, values);
  } else {
    const pack::TernaryBlocks form = type == GgufType::tq1_0   ? pack::TernaryBlocks::tq1_0
                                     : type == GgufType::tq2_0 ? pack::TernaryBlocks::tq2_0
                                     : type == GgufType::q2_0  ? pack::TernaryBlocks::q2_0
                                                               : pack::TernaryBlocks::q2_0_128;
    const pack::TernaryBlockShape shape = pack::shape_of(form);
    std::vector<float> scales;
    for (std::int64_t i = 0; i < count; i += shape.weights) {
      scales.push_back(matrix.factors[static_cast<std::size_t>(i)]);
    }
    out.bytes.resize(static_cast<std::size_t>(count / shape.weights * shape.bytes));
    pack::pack_ternary_blocks(form, matrix.weights.data(), scales.data(), count / shape.weights, bytes());
  }
  return out;
}

struct TinyGguf {
  std::map<std::string, formats::GgufWriteValue> metadata;
  std::map<std::string, TinyTensor> tensors;

  void write(const std::filesystem::path& path) const {
    std::string header = "GGUF";
    put(header, std::uint32_t{3});
    put(header, std::uint64_t{tensors.size()});
    put(header, std::uint64_t{metadata.size()});
    for (const auto& [key, value] : metadata) {
      put_text(header, key);
      std::visit([&](const auto& v) { put_value(header, v); }, value);
    }
    std::string data;
    for (const auto& [name, tensor] : tensors) {
      put_text(header, name);
      put(header, static_cast<std::uint32_t>(tensor.shape.size()));
      for (const std::uint64_t size : tensor.shape) put(header, size);
      // One number in files stands for both forms of q2_0.
      put(header, static_cast<std::uint32_t>(tensor.type == GgufType::q2_0_128 ? GgufType::q2_0 : tensor.type));
      put(header, std::uint64_t{data.size()});
      data += tensor.bytes;
      data.resize((data.size() + 31) / 32 * 32);
    }
    header.resize((header.size() + 31) / 32 * 32);
    write_text(path, header + data);
  }

 private:
  template <typename T>
  static void put(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static void put_text(std::string& out, const std::string& text) {
    put(out, std::uint64_t{text.size()});
    out += text;
  }
  static std::uint32_t type_of(bool) { return 7; }
  static std::uint32_t type_of(std::uint32_t) { return 4; }
  static std::uint32_t type_of(std::int32_t) { return 5; }
  static std::uint32_t type_of(std::uint64_t) { return 10; }
  static std::uint32_t type_of(float) { return 6; }
  static std::uint32_t type_of(const std::string&) { return 8; }
  template <typename T>
  static void put_value(std::string& out, const T& value) {
    put(out, type_of(value));
    put_element(out, value);
  }
  template <typename T>
  static void put_value(std::string& out, const std::vector<T>& list) {
    put(out, std::uint32_t{9});
    put(out, type_of(T()));
    put(out, std::uint64_t{list.size()});
    for (const T& element : list) put_element(out, element);
  }
  template <typename T>
  static void put_element(std::string& out, const T& value) {
    put(out, value);
  }
  static void put_element(std::string& out, const std::string& value) { put_text(out, value); }
};

constexpr std::int64_t kTinyGgufVocab = 40;

inline std::vector<float> random_floats(std::size_t count, std::mt19937& random, float mean, float spread) {
  std::normal_distribution<float> normal(mean, spread);
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

/// Random weights; factor(row, column) is what each is multiplied with.
inline TinyTernary tiny_ternary(std::int64_t rows, std::int64_t cols, std::mt19937& random,
                                const std::function<float(std::int64_t row, std::int64_t column)>& factor) {
  TinyTernary out{rows, cols, {}, {}};
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    out.weights.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1));
    out.factors.push_back(factor(i / cols, i % cols));
  }
  return out;
}

/// A layer of hidden size 256 with 4 heads of 64, 2 for keys and values, an untied head and no tokenizer; scale 0.25.
/// `matrices`, when given, gets the ternary matrices by their names.
inline TinyGguf tiny_gguf(GgufType type, const std::string& architecture = "bitnet-b1.58",
                          std::map<std::string, TinyTernary>* matrices = nullptr) {
  std::mt19937 random(5);
  TinyGguf out;
  out.metadata["general.architecture"] = architecture;
  const auto number = [&](const char* key, std::uint32_t value) { out.metadata[architecture + "." + key] = value; };
  number("context_length", 64);
  number("embedding_length", 256);
  number("block_count", 1);
  number("feed_forward_length", 256);
  number("attention.head_count", 4);
  number("attention.head_count_kv", 2);
  out.metadata[architecture + ".attention.layer_norm_rms_epsilon"] = 1e-5F;
  const bool sub_norms = architecture != "llama";
  if (sub_norms) out.metadata[architecture + ".hidden_activation"] = std::string("relu2");
  const std::uint64_t vocab = kTinyGgufVocab;
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    out.tensors[name] = gguf_floats(GgufType::f16, {256, vocab}, random_floats(256 * vocab, random, 0, 0.3F));
  }
  std::vector<std::string> norms = {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"};
  if (sub_norms) norms.insert(norms.end(), {"blk.0.attn_sub_norm", "blk.0.ffn_sub_norm"});
  for (const std::string& name : norms) {
    out.tensors[name + ".weight"] = gguf_floats(GgufType::f32, {256}, random_floats(256, random, 1, 0.2F));
  }
  for (const std::string part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
    const std::int64_t rows = part == "attn_k" || part == "attn_v" ? 128 : 256;
    const std::string name = "blk.0." + part;
    const TinyTernary matrix = tiny_ternary(rows, 256, random, [](std::int64_t, std::int64_t) { return 0.25F; });
    out.tensors[name + ".weight"] = gguf_ternary(type, matrix);
    if (matrices != nullptr) (*matrices)[name] = matrix;
  }
  return out;
}

}  // namespace bitnet::testing_support
