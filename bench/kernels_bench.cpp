/// Each kernel table by itself, on one thread, beside the limits of the machine: the speed at which memory can be
/// read and at which the processor multiplies. Counters: bytes_per_second of weights, MAC/s.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "kernels/dispatch.h"
#include "kernels/peak.h"
#include "pack/prepare.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels {
namespace {

using benchmark::Counter;
using benchmark::State;

AlignedBuffer random_bytes(std::int64_t size) {
  AlignedBuffer buffer(static_cast<std::size_t>(size));
  Rng rng(1);
  for (std::int64_t i = 0; i + 8 <= size; i += 8) {
    const std::uint64_t word = rng.next();
    std::memcpy(buffer.data() + i, &word, 8);
  }
  return buffer;
}

AlignedBuffer random_floats(std::int64_t n) {
  AlignedBuffer buffer(static_cast<std::size_t>(n) * sizeof(float));
  Rng rng(2);
  for (std::int64_t i = 0; i < n; ++i) buffer.as<float>()[i] = static_cast<float>(rng.uniform() - 0.5);
  return buffer;
}

void count(State& state, std::int64_t bytes, std::int64_t products) {
  state.SetBytesProcessed(state.iterations() * bytes);
  state.counters["MAC/s"] = Counter(static_cast<double>(state.iterations() * products), Counter::kIsRate);
}

/// More than the caches hold: what is read in turn from so many bytes comes from memory.
constexpr std::int64_t kFarBytes = std::int64_t{256} << 20;

/// Memory of its own (untouched pages would all be one), filled with valid ternary codes, which are also f16 and f32
/// numbers of ordinary size.
AlignedBuffer memory(std::int64_t bytes) {
  AlignedBuffer buffer(static_cast<std::size_t>(bytes));
  std::memset(buffer.data(), 0x26, buffer.size());
  return buffer;
}

/// Eight streams: more than one is needed to keep the memory busy from one core.
void read_memory(State& state) {
  constexpr std::int64_t kStreams = 8;
  const AlignedBuffer buffer = memory(kFarBytes);
  const std::int64_t words = kFarBytes / 8 / kStreams;
  for (auto _ : state) {
    std::uint64_t sums[kStreams][8] = {};
    for (std::int64_t i = 0; i < words; i += 8) {
      for (std::int64_t s = 0; s < kStreams; ++s) {
        for (int j = 0; j < 8; ++j) sums[s][j] ^= buffer.as<std::uint64_t>()[s * words + i + j];
      }
    }
    benchmark::DoNotOptimize(sums);
  }
  count(state, kFarBytes, 0);
}

/// tokens × in × out; one token reads its weights from memory, more find them in a cache.
void ternary(State& state, const KernelTable& table, std::int64_t tokens, std::int64_t in, std::int64_t out) {
  const std::int64_t row_bytes = pack::row_bytes(in, table.coding);
  const std::int64_t bytes = out * row_bytes;
  const std::int64_t copies = tokens == 1 ? kFarBytes / bytes : 1;
  const AlignedBuffer codes = memory(bytes * copies);
  const std::int64_t padded = pack::padded_length(in);
  const AlignedBuffer x = random_bytes(tokens * padded);
  const AlignedBuffer slices(static_cast<std::size_t>(tokens * padded / 64) * sizeof(std::int32_t));
  AlignedBuffer sums(static_cast<std::size_t>(tokens * out) * sizeof(std::int32_t));
  const Int8Rows rows{x.as<std::int8_t>(), padded, slices.as<std::int32_t>(), padded / 64, tokens};
  std::int64_t copy = 0;
  for (auto _ : state) {
    const TernaryMatrix w{codes.as<std::uint8_t>() + copy * bytes, out, pack::block_count(in), row_bytes};
    table.ternary_gemm(w, {0, out}, rows, sums.as<std::int32_t>(), out);
    benchmark::ClobberMemory();
    copy = (copy + 1) % copies;
  }
  count(state, bytes, tokens * in * out);
}

/// One token's product of the down projection by input, from memory; `zeros` percent of the inputs are zero. Bytes are
/// those that are read. Beside it: ternary/tokens:1/in:6912/out:2560, which reads all.
void ternary_columns(State& state, const KernelTable& table, std::int64_t zeros) {
  constexpr std::int64_t kIn = 6912;
  constexpr std::int64_t kOut = 2560;
  const std::int64_t column_bytes = pack::row_bytes(kOut, table.coding);
  const std::int64_t copies = kFarBytes / (kIn * column_bytes);
  const AlignedBuffer codes = memory(copies * kIn * column_bytes);
  Rng rng(3);
  std::vector<std::int8_t> x(kIn);
  std::int64_t read = 0;
  for (std::int8_t& value : x) {
    value = static_cast<std::int64_t>(rng.next() % 100) < zeros ? 0 : 5;
    if (value != 0) ++read;
  }
  std::vector<std::int32_t> sums(static_cast<std::size_t>(pack::padded_length(kOut)));
  std::int64_t copy = 0;
  for (auto _ : state) {
    const std::uint8_t* columns = codes.as<std::uint8_t>() + copy * kIn * column_bytes;
    table.ternary_columns({columns, kIn, pack::block_count(kOut), column_bytes}, x.data(), sums.data());
    benchmark::ClobberMemory();
    copy = (copy + 1) % copies;
  }
  count(state, read * column_bytes, read * kOut);
}

void dense(State& state, const KernelTable& table, DenseType type, std::int64_t tokens) {
  constexpr std::int64_t kIn = 2560;
  const std::int64_t rows = tokens == 1 ? 65536 : 2048;
  const std::int64_t bytes = rows * kIn * (type == DenseType::f32 ? 4 : 2);
  const AlignedBuffer w = memory(bytes);
  const AlignedBuffer x = random_floats(tokens * kIn);
  AlignedBuffer y(static_cast<std::size_t>(tokens * rows) * sizeof(float));
  for (auto _ : state) {
    table.dense_gemm[static_cast<int>(type)](w.data(), kIn, 0, rows, x.as<float>(), kIn, tokens, y.as<float>(), rows);
    benchmark::ClobberMemory();
  }
  count(state, bytes, tokens * rows * kIn);
}

/// The four-bit copy of a head, from memory.
void nibble(State& state, const KernelTable& table, std::int64_t tokens) {
  constexpr std::int64_t kIn = 2560;
  constexpr std::int64_t kRows = 131072;
  constexpr std::int64_t kBlocks = kIn / pack::kNibbleBlockWeights;
  constexpr std::int64_t kBytes = kRows * kBlocks * pack::kNibbleBlockBytes;
  const AlignedBuffer codes = memory(kBytes);
  const AlignedBuffer scales = memory(kRows * pack::kNibbleScales * 2);
  const AlignedBuffer q = random_bytes(tokens * kIn);
  const AlignedBuffer offsets = random_bytes(tokens * pack::kNibbleScales * 4);
  const AlignedBuffer input_scales = random_floats(tokens * pack::kNibbleScales);
  AlignedBuffer y(static_cast<std::size_t>(tokens * kRows) * sizeof(float));
  const NibbleMatrix w{codes.as<std::uint8_t>(), scales.as<std::uint16_t>(), kBlocks};
  const NibbleInputs x{q.as<std::int8_t>(), offsets.as<std::int32_t>(), input_scales.as<float>(), tokens};
  for (auto _ : state) {
    table.nibble_scores(w, {0, kRows}, x, y.as<float>(), kRows);
    benchmark::ClobberMemory();
  }
  count(state, kBytes, tokens * kRows * kIn);
}

/// The 2B model's 5 key heads of 128, 4 queries each: one token against a long context, or more tokens against one key
/// head of 512 tokens that they find in a cache.
void attention(State& state, const KernelTable& table, KvType type, std::int64_t tokens) {
  constexpr std::int64_t kHeadDim = 128;
  const std::int64_t heads = 4 * tokens;
  const std::int64_t blocks = tokens == 1 ? 5 * 128 : 16;
  const auto kv = static_cast<int>(type);
  const std::int64_t block_bytes = pack::key_block_bytes(type, kHeadDim);  // as many as of values
  const AlignedBuffer keys = memory(blocks * block_bytes);
  const AlignedBuffer values = memory(blocks * block_bytes);
  const AlignedBuffer q = random_floats(heads * kHeadDim);
  AlignedBuffer scores = random_floats(heads * blocks * kKvBlockTokens);
  AlignedBuffer out = random_floats(heads * kHeadDim);
  const std::int64_t stride = blocks * kKvBlockTokens;
  const std::int64_t together = tokens == 1 ? kKeyBlocks : 1;
  std::vector<const void*> key_blocks;
  for (std::int64_t b = 0; b < blocks + 2 * together; ++b) key_blocks.push_back(keys.data() + b * block_bytes);
  for (auto _ : state) {
    for (std::int64_t b = 0; b < blocks; b += together) {
      const KeyBlocks run{key_blocks.data() + b, key_blocks.data() + b + together, std::min(together, blocks - b)};
      table.attention_scores[kv](q.as<float>(), heads, kHeadDim, run, kHeadDim, 0.1F,
                                 scores.as<float>() + b * kKvBlockTokens, stride);
    }
    for (std::int64_t h = 0; h < heads; ++h) table.softmax(scores.as<float>() + h * stride, stride);
    for (std::int64_t b = 0; b < blocks; ++b) {
      table.attention_values[kv](scores.as<float>() + b * kKvBlockTokens, heads, stride,
                                 values.data() + b * block_bytes, values.data() + (b + 1) * block_bytes,
                                 {kHeadDim, 0, kKvBlockTokens, 0, kHeadDim}, out.as<float>(), kHeadDim);
    }
    benchmark::ClobberMemory();
  }
  count(state, 2 * blocks * block_bytes, 2 * heads * blocks * kKvBlockTokens * kHeadDim);
}

void elementwise(State& state, const KernelTable& table, const std::string& op) {
  constexpr std::int64_t kSize = 6912;
  AlignedBuffer x = random_floats(kSize);
  const AlignedBuffer w = random_floats(kSize);
  AlignedBuffer y(kSize * sizeof(float));
  AlignedBuffer q(kSize);
  AlignedBuffer sums(kSize / 64 * sizeof(std::int32_t));
  const auto silu = static_cast<int>(Activation::silu);
  const auto relu2 = static_cast<int>(Activation::relu2);
  for (auto _ : state) {
    const auto* in = x.as<float>();
    if (op == "rms_norm") table.rms_norm(in, w.as<float>(), 1e-5F, kSize, y.as<float>());
    if (op == "silu_gated") table.activate_gated[silu](in, w.as<float>(), kSize, y.as<float>());
    if (op == "relu2_gated") table.activate_gated[relu2](in, w.as<float>(), kSize, y.as<float>());
    if (op == "softmax") table.softmax(y.as<float>(), kSize);
    if (op == "quantize") {
      benchmark::DoNotOptimize(
          table.quantize_activations(in, kSize, kSize, q.as<std::int8_t>(), sums.as<std::int32_t>()));
    }
    benchmark::ClobberMemory();
  }
  count(state, kSize * 4, 0);
}

/// bytes_per_second of the packed source.
void prepare_hf(State& state) {
  constexpr std::int64_t kIn = 2560;
  constexpr std::int64_t kPackedRows = 6912;
  const AlignedBuffer packed = memory(kIn * kPackedRows);
  AlignedBuffer prepared(static_cast<std::size_t>(4 * kPackedRows * pack::row_bytes(kIn)));
  for (auto _ : state) {
    const auto invalid = pack::prepare_hf(packed.as<std::uint8_t>(), kPackedRows, kIn, prepared.as<std::uint8_t>());
    benchmark::DoNotOptimize(invalid);
    benchmark::ClobberMemory();
  }
  count(state, kIn * kPackedRows, 0);
}

void register_table(const KernelTable& table) {
  const std::string name = table.name;
  const auto add = [&](const std::string& what, auto run) {
    benchmark::RegisterBenchmark((name + "/" + what).c_str(), run)->Unit(benchmark::kMicrosecond);
  };
  constexpr std::int64_t kShapes[][2] = {{2560, 2560}, {2560, 6912}, {6912, 2560}};
  for (const std::int64_t tokens : {1, 4, 16, 512}) {
    for (const auto& [in, out] : kShapes) {
      const std::string what =
          "ternary/tokens:" + std::to_string(tokens) + "/in:" + std::to_string(in) + "/out:" + std::to_string(out);
      add(what, [&table, tokens, in = in, out = out](State& state) { ternary(state, table, tokens, in, out); });
    }
  }
  for (const std::int64_t zeros : {50, 67, 82}) {
    add("ternary_columns/zeros:" + std::to_string(zeros),
        [&table, zeros](State& state) { ternary_columns(state, table, zeros); });
  }
  constexpr const char* kTypes[] = {"f32", "f16", "bf16"};
  for (int type = 0; type < kDenseTypes; ++type) {
    for (const std::int64_t tokens : {1, 64}) {
      add("dense/" + std::string(kTypes[type]) + "/tokens:" + std::to_string(tokens),
          [&table, type, tokens](State& state) { dense(state, table, static_cast<DenseType>(type), tokens); });
    }
  }
  for (const std::int64_t tokens : {1, 4, 16}) {
    add("nibble/tokens:" + std::to_string(tokens), [&table, tokens](State& state) { nibble(state, table, tokens); });
  }
  for (const std::int64_t tokens : {1, 16}) {
    const std::string what = "/tokens:" + std::to_string(tokens);
    constexpr const char* kKvNames[kKvTypes] = {"f32", "f16", "q8", "q4"};
    for (int type = 0; type < kKvTypes; ++type) {
      add(std::string("attention/") + kKvNames[type] + what,
          [&table, type, tokens](State& state) { attention(state, table, static_cast<KvType>(type), tokens); });
    }
  }
  for (const std::string op : {"rms_norm", "silu_gated", "relu2_gated", "softmax", "quantize"}) {
    add(op, [&table, op](State& state) { elementwise(state, table, op); });
  }
}

}  // namespace
}  // namespace bitnet::kernels

int main(int argc, char** argv) {
  using namespace bitnet::kernels;
  benchmark::Initialize(&argc, argv);
  benchmark::RegisterBenchmark("limit/read_memory", read_memory);
  benchmark::RegisterBenchmark("prepare_hf", prepare_hf)->Unit(benchmark::kMicrosecond);
  const bitnet::CpuFeatures features = bitnet::detect_cpu_features();
  for (const PeakLoop* loop : peak_loops()) {
    if ((loop->required & ~features) != 0) continue;
    benchmark::RegisterBenchmark(("limit/" + std::string(loop->name)).c_str(), [loop](State& state) {
      constexpr std::int64_t kIterations = 10000;
      for (auto _ : state) loop->run(kIterations);
      count(state, 0, kIterations * loop->macs_per_iteration);
    });
  }
  for (const KernelTable* table : built_tables()) {
    if ((table->required & ~features) == 0) register_table(*table);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
