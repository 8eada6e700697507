#include "kernels/table_test.h"
#include "pack/kv_block.h"

namespace bitnet::kernels {
namespace {

KvType any_type() { return static_cast<KvType>(*rc::gen::inRange(0, kKvTypes)); }

/// What fills `bytes` of a block: floats, or random codes behind random scales.
std::vector<std::uint8_t> random_block(KvType type, std::int64_t bytes, Values values) {
  if (type == KvType::f32) return as_dense(DenseType::f32, random_floats(any_seed(), bytes / 4, values));
  if (type == KvType::f16) return as_dense(DenseType::f16, random_floats(any_seed(), bytes / 2, values));
  std::vector<std::uint8_t> block = as_dense(DenseType::f32, random_floats(any_seed(), kKvBlockTokens, values));
  block.resize(static_cast<std::size_t>(bytes));
  Rng rng(any_seed());
  std::generate(block.begin() + pack::kKvScaleBytes, block.end(),
                [&] { return static_cast<std::uint8_t>(rng.next()); });
  return block;
}

std::int64_t any_value_stride(KvType type, std::int64_t head_dim) {
  if (type != KvType::q4) return head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
  return (head_dim + 15) / 16 * 16 + 16 * *rc::gen::inRange<std::int64_t>(0, 2);
}

class Attention : public TableTest {};
BITNET_FOR_EACH_TABLE(Attention);

/// Rows of a block, the block as the scalar table stores it, and the rows as they are read back.
struct Stored {
  Stored(KvType type, std::int64_t head_dim, std::vector<float> source)
      : rows(std::move(source)),
        stride((head_dim + 15) / 16 * 16),
        keys(static_cast<std::size_t>(pack::key_block_bytes(type, head_dim))),
        values(static_cast<std::size_t>(pack::value_block_bytes(type, stride))),
        read_keys(rows.size()),
        read_values(rows.size()) {
    for (std::int64_t slot = 0; slot < kKvBlockTokens; ++slot) {
      kScalarTable.store_key[index(type)](rows.data() + slot * head_dim, head_dim, slot, keys.data());
      kScalarTable.store_value[index(type)](rows.data() + slot * head_dim, head_dim, slot, stride, values.data());
    }
    for (std::int64_t slot = 0; slot < kKvBlockTokens; ++slot) {
      pack::read_key(type, keys.data(), head_dim, slot, read_keys.data() + slot * head_dim);
      pack::read_value(type, values.data(), stride, head_dim, slot, read_values.data() + slot * head_dim);
    }
  }
  std::vector<float> rows;  // [kKvBlockTokens, head_dim]
  std::int64_t stride;
  std::vector<std::uint8_t> keys;
  std::vector<std::uint8_t> values;
  std::vector<float> read_keys;
  std::vector<float> read_values;
};

TEST(ScalarAttention, StoresRowsToWithinHalfAStep) {
  EXPECT_TRUE(rc::check("stored = row", [] {
    const KvType type = any_type();
    const std::int64_t head_dim = any_size(16);
    const Values kind = *rc::gen::element(Values::ordinary, Values::wide);
    const Stored stored(type, head_dim, random_floats(any_seed(), kKvBlockTokens * head_dim, kind));
    RC_ASSERT(stored.read_keys == stored.read_values);
    for (std::int64_t slot = 0; slot < kKvBlockTokens; ++slot) {
      const auto row = std::span(stored.rows).subspan(static_cast<std::size_t>(slot * head_dim), index(head_dim));
      const auto read = std::span(stored.read_keys).subspan(static_cast<std::size_t>(slot * head_dim), index(head_dim));
      double most = 0.0;
      for (const float x : row) most = std::max(most, std::fabs(static_cast<double>(x)));
      for (std::size_t d = 0; d < row.size(); ++d) {
        if (type == KvType::f32) RC_ASSERT(read[d] == row[d]);
        if (type == KvType::f16) RC_ASSERT(read[d] == dense_value(DenseType::f16, row[d]));
        if (!pack::has_scales(type)) continue;
        const double steps = type == KvType::q8 ? 127.0 : 7.0;
        const double step = most / steps;
        RC_ASSERT(std::fabs(static_cast<double>(read[d]) - row[d]) <= (0.5 + steps * 0x1p-22) * step);
        if (std::fabs(row[d]) == most) RC_ASSERT(std::fabs(read[d] - row[d]) <= most * 0x1p-22);
      }
    }
  }));
}

TEST(ScalarAttention, RowsThatHaveNoScale) {
  using Limits = std::numeric_limits<float>;
  for (const KvType type : {KvType::q8, KvType::q4}) {
    std::vector<float> rows(kKvBlockTokens * 3, 1.0F);
    const auto set = [&](std::size_t slot, float x) { rows[slot * 3 + 1] = x; };
    const auto fill = [&](std::size_t slot, float x) { std::fill_n(rows.begin() + static_cast<int>(slot) * 3, 3, x); };
    set(1, Limits::quiet_NaN());
    set(2, Limits::infinity());
    set(3, -Limits::infinity());
    fill(4, 0.0F);
    fill(5, -0.0F);
    fill(6, Limits::denorm_min());
    fill(7, 0x1p-101F);
    fill(8, 0x1p-100F);
    fill(9, -0x1p127F);
    const Stored stored(type, 3, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::size_t slot = i / 3;
      const float expected = slot >= 4 && slot < 8 ? 0.0F : rows[i];
      for (const float read : {stored.read_keys[i], stored.read_values[i]}) {
        if (slot >= 1 && slot < 4) {
          EXPECT_TRUE(std::isnan(read)) << slot;
        } else {
          EXPECT_NEAR(read, expected, std::fabs(expected) * 0x1p-22) << slot;
        }
      }
    }
  }
}

TEST(ScalarAttention, ScoresAreScaledProductsOfStoredKeys) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const KvType type = any_type();
    const std::int64_t head_dim = any_size(16);
    const auto q = random_floats(any_seed(), head_dim, Values::ordinary);
    const Stored stored(type, head_dim, random_floats(any_seed(), kKvBlockTokens * head_dim, Values::ordinary));
    Guarded<float> scores(kKvBlockTokens);
    const void* block = stored.keys.data();
    kScalarTable.attention_scores[index(type)](q.data(), 1, head_dim, {&block, &block, 1}, head_dim, 0.125F,
                                               scores.data(), 0);
    for (std::int64_t j = 0; j < kKvBlockTokens; ++j) {
      double exact = 0.0;
      double magnitude = 0.0;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        const float key = stored.read_keys[static_cast<std::size_t>(j * head_dim + d)];
        exact += static_cast<double>(q[static_cast<std::size_t>(d)]) * key;
        magnitude += std::fabs(static_cast<double>(q[static_cast<std::size_t>(d)]) * key);
      }
      // Each product of the sum, and three of scales: the key's when it was read back, the key's, and 0.125.
      RC_ASSERT(std::fabs(scores[j] - exact * 0.125) <=
                magnitude * 0.125 * 0x1p-24 * static_cast<double>(head_dim + 3));
    }
  }));
}

TEST(ScalarAttention, ValuesAreWeightedSumsOfStoredValues) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const KvType type = any_type();
    const std::int64_t head_dim = any_size(16);
    const auto first = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens + 1);
    const auto tokens = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens + 1 - first);
    const std::int64_t first_dim = *rc::gen::inRange<std::int64_t>(0, head_dim / 16 + 1) * 16;
    const std::int64_t dims = *rc::gen::inRange<std::int64_t>(0, head_dim - first_dim + 1);
    const Stored stored(type, head_dim, random_floats(any_seed(), kKvBlockTokens * head_dim, Values::ordinary));
    const auto p = random_floats(any_seed(), kKvBlockTokens, Values::ordinary);
    const auto before = random_floats(any_seed(), dims, Values::ordinary);
    std::vector<float> out = before;
    kScalarTable.attention_values[index(type)](p.data(), 1, 0, stored.values.data(), stored.values.data(),
                                               {stored.stride, first, tokens, first_dim, dims}, out.data(), 0);
    for (std::int64_t d = 0; d < dims; ++d) {
      double exact = before[static_cast<std::size_t>(d)];
      double magnitude = std::fabs(exact);
      for (std::int64_t j = 0; j < tokens; ++j) {
        const float value = stored.read_values[static_cast<std::size_t>((first + j) * head_dim + first_dim + d)];
        exact += static_cast<double>(p[static_cast<std::size_t>(j)]) * value;
        magnitude += std::fabs(static_cast<double>(p[static_cast<std::size_t>(j)]) * value);
      }
      // Each product of the sum, and the scale's: with the value when it was read back, and with p.
      RC_ASSERT(std::fabs(out[static_cast<std::size_t>(d)] - exact) <=
                magnitude * 0x1p-24 * static_cast<double>(tokens + 3));
    }
  }));
}

TEST_P(Attention, StoresEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const KvType type = any_type();
    const std::int64_t head_dim = any_size(16, 6);
    const std::int64_t stride = any_value_stride(type, head_dim);
    const auto slot = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens);
    const auto x = random_floats(any_seed(), head_dim, any_values());
    Guarded<std::uint8_t> expected_keys(pack::key_block_bytes(type, head_dim));
    Guarded<std::uint8_t> keys = expected_keys;
    kScalarTable.store_key[index(type)](x.data(), head_dim, slot, expected_keys.data());
    table().store_key[index(type)](x.data(), head_dim, slot, keys.data());
    RC_ASSERT(keys.same_as(expected_keys));
    Guarded<std::uint8_t> expected_values(pack::value_block_bytes(type, stride));
    Guarded<std::uint8_t> values = expected_values;
    kScalarTable.store_value[index(type)](x.data(), head_dim, slot, stride, expected_values.data());
    table().store_value[index(type)](x.data(), head_dim, slot, stride, values.data());
    RC_ASSERT(values.same_as(expected_values));
  }));
}

TEST_P(Attention, ScoresEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const KvType type = any_type();
    const std::int64_t heads = any_size(8, 2);
    const std::int64_t head_dim = any_size(16);
    const std::int64_t q_stride = head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
    const auto count = *rc::gen::inRange<std::int64_t>(0, 2 * kKeyBlocks + 2);
    const std::int64_t stride = count * kKvBlockTokens + *rc::gen::inRange<std::int64_t>(0, 9);
    const Values kind = any_values();
    const auto q = random_floats(any_seed(), heads * q_stride, kind);
    std::vector<std::vector<std::uint8_t>> blocks;
    std::vector<const void*> keys;
    for (std::int64_t b = 0; b < count; ++b) {
      blocks.push_back(random_block(type, pack::key_block_bytes(type, head_dim), kind));
      keys.push_back(blocks.back().data());
    }
    const std::vector<const void*> next(keys.rbegin(), keys.rend());
    const KeyBlocks run{keys.data(), next.data(), count};
    Guarded<float> expected(heads * stride);
    Guarded<float> scores(heads * stride);
    kScalarTable.attention_scores[index(type)](q.data(), heads, q_stride, run, head_dim, 0.3F, expected.data(), stride);
    table().attention_scores[index(type)](q.data(), heads, q_stride, run, head_dim, 0.3F, scores.data(), stride);
    RC_ASSERT(scores.same_as(expected));
  }));
}

TEST_P(Attention, ValuesEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const KvType type = any_type();
    const std::int64_t heads = any_size(8, 2);
    const std::int64_t head_dim = any_size(16, 6);
    const std::int64_t value_stride = any_value_stride(type, head_dim);
    const auto first = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens + 1);
    const auto tokens = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens + 1 - first);
    const std::int64_t first_dim = *rc::gen::inRange<std::int64_t>(0, head_dim / 16 + 1) * 16;
    const std::int64_t dims = head_dim - first_dim;
    const std::int64_t p_stride = tokens + *rc::gen::inRange<std::int64_t>(0, 9);
    const std::int64_t out_stride = dims + *rc::gen::inRange<std::int64_t>(0, 9);
    const Values kind = any_values();
    const auto p = random_floats(any_seed(), heads * p_stride, kind);
    const auto block = random_block(type, pack::value_block_bytes(type, value_stride), kind);
    const auto before = random_floats(any_seed(), heads * out_stride, kind);
    Guarded<float> expected(heads * out_stride);
    for (std::int64_t i = 0; i < heads * out_stride; ++i) expected[i] = before[static_cast<std::size_t>(i)];
    Guarded<float> out = expected;
    const ValuePart part{value_stride, first, tokens, first_dim, dims};
    kScalarTable.attention_values[index(type)](p.data(), heads, p_stride, block.data(), block.data(), part,
                                               expected.data(), out_stride);
    table().attention_values[index(type)](p.data(), heads, p_stride, block.data(), block.data(), part, out.data(),
                                          out_stride);
    RC_ASSERT(out.same_as(expected));
  }));
}

}  // namespace
}  // namespace bitnet::kernels
