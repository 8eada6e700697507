// Decision 8 of docs/ARCHITECTURE.md: a token's result depends on its own sequence alone, bit for bit.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <memory>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "bitnet/error.h"
#include "kernels/dispatch.h"
#include "loading/checkpoint_loader.h"
#include "model/transformer.h"

namespace bitnet {
namespace {

using backend::KvType;
using model::BatchToken;
using model::KvSequence;
using Ids = std::vector<std::int32_t>;

constexpr KvType kTypes[] = {KvType::f32, KvType::f16, KvType::q8, KvType::q4};

ModelConfig small_config() {
  ModelConfig c;
  c.architecture = "BitNetForCausalLM";
  c.hidden_size = 72;
  c.intermediate_size = 100;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 20;
  c.vocab_size = 61;
  c.max_position_embeddings = 200;
  c.rms_norm_eps = 1e-5;
  c.hidden_act = HiddenAct::relu2;
  c.attn_sub_norm = c.ffn_sub_norm = true;
  c.quantization.linear_class = LinearClass::autobitlinear;
  return c;
}

/// A model of random weights on one kernel table.
struct Rig {
  Rig(const ModelConfig& config, const kernels::KernelTable& table, int threads, KvType kv = KvType::f32)
      : pool(threads), cpu(table, pool), transformer(config, loading::random_weights(config, {7}, cpu, {}), cpu, kv) {}

  /// Logits of all ids, given in chunks of the sizes in `cuts` (the last one repeats).
  std::vector<float> logits(const Ids& ids, const std::vector<std::size_t>& cuts) {
    KvSequence sequence = transformer.make_sequence();
    return append(sequence, ids, cuts);
  }
  std::vector<float> append(KvSequence& sequence, const Ids& ids, const std::vector<std::size_t>& cuts) {
    const std::int64_t vocab = transformer.config().vocab_size;
    std::vector<float> out;
    std::size_t cut = 0;
    for (std::size_t at = 0; at < ids.size();) {
      const std::size_t n = std::min(ids.size() - at, cuts[std::min(cut++, cuts.size() - 1)]);
      std::vector<BatchToken> batch;
      for (std::size_t i = at; i < at + n; ++i) batch.push_back({ids[i], 0, true});
      out.resize((at + n) * static_cast<std::size_t>(vocab));
      KvSequence* sequences[] = {&sequence};
      transformer.forward(batch, sequences,
                          {out.data() + at * static_cast<std::size_t>(vocab), static_cast<std::int64_t>(n), vocab});
      at += n;
    }
    return out;
  }

  ThreadPool pool;
  backend::CpuBackend cpu;
  model::Transformer transformer;
};

Ids some_ids(std::size_t count, std::int64_t vocab) {
  Ids ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = static_cast<std::int32_t>((i * i * 7 + 3 * i + 1) % vocab);
  return ids;
}

const kernels::KernelTable& best() { return kernels::choose_table("", detect_cpu_features()); }
const kernels::KernelTable& scalar() { return kernels::choose_table("scalar", detect_cpu_features()); }

class EveryTable : public testing::TestWithParam<const kernels::KernelTable*> {
 protected:
  void SetUp() override {
    if ((GetParam()->required & ~detect_cpu_features()) != 0) {
      GTEST_SKIP() << "this processor cannot run " << GetParam()->name;
    }
  }
};

TEST_P(EveryTable, GivesTheBitsOfTheScalarOne) {
  struct Variant {
    std::int64_t head_dim, heads, kv_heads, hidden, intermediate;
    HiddenAct act;
    FeedForwardKind feed_forward;
    KvType kv;
  };
  const Variant variants[] = {
      {64, 4, 2, 256, 300, HiddenAct::relu2, FeedForwardKind::gated, KvType::f32},
      {100, 2, 2, 200, 257, HiddenAct::silu, FeedForwardKind::gated, KvType::f32},
      {128, 4, 1, 255, 511, HiddenAct::relu2, FeedForwardKind::gated, KvType::f16},
      {256, 3, 1, 130, 64, HiddenAct::gelu_tanh, FeedForwardKind::gated, KvType::f16},
      {2, 1, 1, 1, 1, HiddenAct::gelu, FeedForwardKind::plain, KvType::f32},
      {128, 4, 2, 255, 300, HiddenAct::relu2, FeedForwardKind::gated, KvType::q8},
      {74, 3, 1, 130, 64, HiddenAct::silu, FeedForwardKind::gated, KvType::q8},
      {128, 4, 1, 255, 300, HiddenAct::relu2, FeedForwardKind::gated, KvType::q4},
      {74, 3, 3, 130, 64, HiddenAct::silu, FeedForwardKind::gated, KvType::q4},
      {2, 1, 1, 1, 1, HiddenAct::gelu, FeedForwardKind::plain, KvType::q4},
  };
  for (const Variant& v : variants) {
    ModelConfig c = small_config();
    c.head_dim = v.head_dim;
    c.num_attention_heads = v.heads;
    c.num_key_value_heads = v.kv_heads;
    c.hidden_size = v.hidden;
    c.intermediate_size = v.intermediate;
    c.hidden_act = v.act;
    c.feed_forward = v.feed_forward;
    const Ids ids = some_ids(40, c.vocab_size);
    EXPECT_EQ(Rig(c, *GetParam(), 2, v.kv).logits(ids, {33, 1}), Rig(c, scalar(), 1, v.kv).logits(ids, {40}))
        << GetParam()->name << " with head_dim " << v.head_dim << ", KV type " << static_cast<int>(v.kv);
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, EveryTable,
                         testing::ValuesIn(kernels::built_tables().begin(), kernels::built_tables().end()),
                         [](const auto& info) { return info.param->name; });

TEST(TransformerParity, ThreadsDoNotMatter) {
  const Ids ids = some_ids(50, 61);
  const std::vector<float> one = Rig(small_config(), best(), 1).logits(ids, {50});
  for (const int threads : {2, 3, 5}) EXPECT_EQ(Rig(small_config(), best(), threads).logits(ids, {50}), one) << threads;
}

RC_GTEST_PROP(TransformerParity, ChunksDoNotMatter, ()) {
  static const Ids ids = some_ids(70, 61);
  struct OfType {
    explicit OfType(KvType type) : rig(small_config(), best(), 2, type) {}
    Rig rig;
    std::vector<float> whole = rig.logits(ids, {70});
  };
  static OfType of_types[] = {OfType(kTypes[0]), OfType(kTypes[1]), OfType(kTypes[2]), OfType(kTypes[3])};
  auto& [rig, whole] = of_types[*rc::gen::inRange<std::size_t>(0, std::size(of_types))];
  const auto cuts =
      *rc::gen::nonEmpty(rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 40)));
  RC_ASSERT(rig.logits(ids, cuts) == whole);
}

// Layers with a window of 20 tokens, theta of their own, and every norm that there is.
TEST(TransformerParity, ChunksDoNotMatterToWindows) {
  ModelConfig c = small_config();
  c.layer_types = {LayerType::sliding_attention, LayerType::full_attention};
  c.sliding_window = 20;
  c.rope_local_base_freq = 100.0;
  c.query_pre_attn_scalar = 30.0;
  c.attn_sub_norm = c.ffn_sub_norm = false;
  c.input_norms = c.head_norms = c.branch_norms = c.scale_embed = true;
  const Ids ids = some_ids(70, 61);
  for (const KvType type : {KvType::f32, KvType::q4}) {
    const std::vector<float> whole = Rig(c, scalar(), 1, type).logits(ids, {70});
    for (const std::vector<std::size_t>& cuts : {std::vector<std::size_t>{70}, {1}, {33, 7}}) {
      EXPECT_EQ(Rig(c, best(), 3, type).logits(ids, cuts), whole) << cuts.front();
    }
    // What came before the windows of all layers can be another text.
    c.layer_types[1] = LayerType::sliding_attention;
    Ids other = ids;
    other[30] = 0;
    const std::vector<float> a = Rig(c, best(), 2, type).logits(ids, {70});
    const std::vector<float> b = Rig(c, best(), 2, type).logits(other, {70});
    const auto from = [](const std::vector<float>& logits, int token) {
      return std::vector<float>(logits.begin() + token * 61, logits.end());
    };
    EXPECT_EQ(from(a, 30 + 2 * 19 + 1), from(b, 30 + 2 * 19 + 1));
    EXPECT_NE(from(a, 30 + 2 * 19), from(b, 30 + 2 * 19));
    c.layer_types[1] = LayerType::full_attention;
  }
}

TEST(TransformerParity, NeighboursInABatchDoNotMatter) {
  Rig rig(small_config(), best(), 2);
  const Ids lengths = {5, 33, 1, 17};
  std::vector<std::vector<float>> alone;
  std::vector<Ids> prompts;
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    Ids ids = some_ids(static_cast<std::size_t>(lengths[s]) + s, 61);
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(s));
    prompts.push_back(ids);
    alone.push_back(rig.logits(ids, {100}));
  }
  // One ragged batch with the sequences' tokens interleaved.
  std::vector<KvSequence> sequences(lengths.size(), rig.transformer.make_sequence());
  std::vector<KvSequence*> pointers;
  for (KvSequence& sequence : sequences) pointers.push_back(&sequence);
  std::vector<BatchToken> batch;
  for (std::size_t i = 0; i < 33; ++i) {
    for (std::size_t s = 0; s < prompts.size(); ++s) {
      if (i < prompts[s].size()) batch.push_back({prompts[s][i], static_cast<std::int32_t>(s), true});
    }
  }
  std::vector<float> out(batch.size() * 61);
  rig.transformer.forward(batch, pointers, {out.data(), static_cast<std::int64_t>(batch.size()), 61});
  std::vector<std::size_t> next(prompts.size());
  for (std::size_t row = 0; row < batch.size(); ++row) {
    const auto s = static_cast<std::size_t>(batch[row].sequence);
    const std::vector<float> mine(out.begin() + static_cast<std::ptrdiff_t>(row * 61),
                                  out.begin() + static_cast<std::ptrdiff_t>((row + 1) * 61));
    const std::vector<float> theirs(alone[s].begin() + static_cast<std::ptrdiff_t>(next[s] * 61),
                                    alone[s].begin() + static_cast<std::ptrdiff_t>((next[s] + 1) * 61));
    ASSERT_EQ(mine, theirs) << "sequence " << s << ", position " << next[s];
    ++next[s];
  }
}

TEST(TransformerParity, OnlyWantedLogitsAreWritten) {
  Rig rig(small_config(), best(), 2);
  const Ids ids = some_ids(6, 61);
  const std::vector<float> all = rig.logits(ids, {6});
  KvSequence sequence = rig.transformer.make_sequence();
  KvSequence* sequences[] = {&sequence};
  std::vector<BatchToken> batch;
  for (std::size_t i = 0; i < 6; ++i) batch.push_back({ids[i], 0, i == 1 || i == 5});
  std::vector<float> out(2 * 61);
  rig.transformer.forward(batch, sequences, {out.data(), 2, 61});
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 61, all.begin() + 61));
  EXPECT_TRUE(std::equal(out.begin() + 61, out.end(), all.begin() + 5 * 61));
}

// Rows are padded inside (72 columns to 80); an observer must not see that.
TEST(TransformerParity, ObserversSeeRowsWithoutGaps) {
  struct FinalNorm final : ForwardObserver {
    void on_tensor(std::string_view name, int, const float* data, std::int64_t rows, std::int64_t cols) override {
      if (name == "final_norm") seen.assign(data, data + rows * cols);
    }
    std::vector<float> seen;
  };
  Rig rig(small_config(), best(), 1);
  const auto observe = [&](const Ids& ids) {
    FinalNorm observer;
    KvSequence sequence = rig.transformer.make_sequence();
    KvSequence* sequences[] = {&sequence};
    std::vector<BatchToken> batch;
    for (const std::int32_t id : ids) batch.push_back({id, 0, true});
    std::vector<float> out(ids.size() * 61);
    rig.transformer.forward(batch, sequences, {out.data(), static_cast<std::int64_t>(ids.size()), 61}, &observer);
    return observer.seen;
  };
  const std::vector<float> three = observe({4, 5, 6});
  ASSERT_EQ(three.size(), 3U * 72);
  EXPECT_EQ(std::vector<float>(three.begin(), three.begin() + 2 * 72), observe({4, 5}));
  EXPECT_EQ(std::count(three.begin(), three.end(), 0.0F), 0);  // padding holds zeros
}

TEST(KvSequence, CopiesShareBlocksUntilTheyWrite) {
  for (const KvType type : kTypes) {
    Rig rig(small_config(), best(), 2, type);
    const Ids prefix = some_ids(40, 61);  // one full block of 32 and a part of the next
    KvSequence first = rig.transformer.make_sequence();
    (void)rig.append(first, prefix, {40});
    KvSequence second = first;
    ASSERT_EQ(first.block_count(), 2);
    EXPECT_EQ(first.blocks()[1], second.blocks()[1]);
    const std::vector<float> a = rig.append(first, {5, 6}, {1});
    const std::vector<float> b = rig.append(second, {9, 6}, {2});
    EXPECT_EQ(first.blocks()[0], second.blocks()[0]);  // full blocks stay shared
    EXPECT_NE(first.blocks()[1], second.blocks()[1]);
    const auto fresh = [&](const Ids& tail) {
      Ids ids = prefix;
      ids.insert(ids.end(), tail.begin(), tail.end());
      const std::vector<float> all = rig.logits(ids, {100});
      return std::vector<float>(all.begin() + 40 * 61, all.end());
    };
    EXPECT_EQ(a, fresh({5, 6}));
    EXPECT_EQ(b, fresh({9, 6}));
  }
}

TEST(KvSequence, TruncatedSequencesGoOnAsIfNothingHadBeen) {
  for (const KvType type : kTypes) {
    Rig rig(small_config(), best(), 2, type);
    KvSequence sequence = rig.transformer.make_sequence();
    (void)rig.append(sequence, some_ids(70, 61), {70});
    sequence.truncate(33);
    EXPECT_EQ(sequence.block_count(), 2);
    const std::vector<float> tail = rig.append(sequence, {4, 4}, {1});
    Ids ids = some_ids(33, 61);
    ids.insert(ids.end(), {4, 4});
    const std::vector<float> all = rig.logits(ids, {35});
    EXPECT_EQ(tail, std::vector<float>(all.begin() + 33 * 61, all.end()));
  }
}

TEST(Transformer, RefusesWhatDoesNotFitAndChangesNothing) {
  Rig rig(small_config(), best(), 1);
  KvSequence sequence = rig.transformer.make_sequence();
  EXPECT_THROW((void)rig.append(sequence, {1, 61}, {2}), Error);
  EXPECT_THROW((void)rig.append(sequence, {-1}, {1}), Error);
  EXPECT_THROW((void)rig.append(sequence, Ids(201, 1), {201}), Error);
  EXPECT_EQ(sequence.length(), 0);
  (void)rig.append(sequence, Ids(200, 1), {200});  // the whole context fits
  EXPECT_THROW((void)rig.append(sequence, {1}, {1}), Error);
}

}  // namespace
}  // namespace bitnet
