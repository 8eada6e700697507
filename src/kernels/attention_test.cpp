#include "kernels/table_test.h"

namespace bitnet::kernels {
namespace {

constexpr std::size_t kBytes[] = {4, 2};  // of a KvType
constexpr DenseType kSameDense[] = {DenseType::f32, DenseType::f16};

std::vector<std::uint8_t> random_block(std::size_t type, std::int64_t n, Values values) {
  return as_dense(kSameDense[type], random_floats(any_seed(), n, values));
}

std::size_t any_type() { return static_cast<std::size_t>(*rc::gen::inRange(0, kKvTypes)); }

class Attention : public TableTest {};
BITNET_FOR_EACH_TABLE(Attention);

TEST(ScalarAttention, ScoresAreScaledProductsOfStoredKeys) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const std::size_t type = any_type();
    const std::int64_t head_dim = any_size(16);
    const auto q = random_floats(any_seed(), head_dim, Values::ordinary);
    const auto keys = random_floats(any_seed(), kKvBlockTokens * head_dim, Values::ordinary);  // [tokens, head_dim]
    std::vector<std::uint8_t> block(keys.size() * kBytes[type]);
    for (std::int64_t j = 0; j < kKvBlockTokens; ++j) {
      kScalarTable.store_key[type](keys.data() + j * head_dim, head_dim, j, block.data());
    }
    Guarded<float> scores(kKvBlockTokens);
    kScalarTable.attention_scores[type](q.data(), 1, head_dim, block.data(), block.data(), head_dim, 0.125F,
                                        scores.data(), 0);
    for (std::int64_t j = 0; j < kKvBlockTokens; ++j) {
      double exact = 0.0;
      double magnitude = 0.0;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        const float key = dense_value(kSameDense[type], keys[static_cast<std::size_t>(j * head_dim + d)]);
        exact += static_cast<double>(q[static_cast<std::size_t>(d)]) * key;
        magnitude += std::fabs(static_cast<double>(q[static_cast<std::size_t>(d)]) * key);
      }
      RC_ASSERT(std::fabs(scores[j] - exact * 0.125) <=
                magnitude * 0.125 * 0x1p-24 * static_cast<double>(head_dim + 1));
    }
  }));
}

TEST(ScalarAttention, ValuesAreWeightedSumsOfStoredValues) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const std::size_t type = any_type();
    const std::int64_t head_dim = any_size(16);
    const std::int64_t stride = head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
    const auto tokens = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens + 1);
    const auto values = random_floats(any_seed(), kKvBlockTokens * head_dim, Values::ordinary);
    const auto p = random_floats(any_seed(), kKvBlockTokens, Values::ordinary);
    const auto before = random_floats(any_seed(), head_dim, Values::ordinary);
    std::vector<std::uint8_t> block(static_cast<std::size_t>(kKvBlockTokens * stride) * kBytes[type]);
    for (std::int64_t j = 0; j < kKvBlockTokens; ++j) {
      kScalarTable.store_value[type](values.data() + j * head_dim, head_dim, j, stride, block.data());
    }
    std::vector<float> out = before;
    kScalarTable.attention_values[type](p.data(), 1, 0, block.data(), block.data(), stride, tokens, head_dim,
                                        out.data(), 0);
    for (std::size_t d = 0; d < out.size(); ++d) {
      double exact = before[d];
      double magnitude = std::fabs(exact);
      for (std::int64_t j = 0; j < tokens; ++j) {
        const float value = dense_value(kSameDense[type], values[static_cast<std::size_t>(j * head_dim) + d]);
        exact += static_cast<double>(p[static_cast<std::size_t>(j)]) * value;
        magnitude += std::fabs(static_cast<double>(p[static_cast<std::size_t>(j)]) * value);
      }
      RC_ASSERT(std::fabs(out[d] - exact) <= magnitude * 0x1p-24 * static_cast<double>(tokens + 1));
    }
  }));
}

TEST_P(Attention, StoresEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::size_t type = any_type();
    const std::int64_t head_dim = any_size(16);
    const std::int64_t stride = head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
    const auto slot = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens);
    const auto x = random_floats(any_seed(), head_dim, any_values());
    const auto bytes = static_cast<std::int64_t>(kBytes[type]);
    Guarded<std::uint8_t> expected_keys(head_dim * kKvBlockTokens * bytes);
    Guarded<std::uint8_t> keys(head_dim * kKvBlockTokens * bytes);
    kScalarTable.store_key[type](x.data(), head_dim, slot, expected_keys.data());
    table().store_key[type](x.data(), head_dim, slot, keys.data());
    RC_ASSERT(keys.same_as(expected_keys));
    Guarded<std::uint8_t> expected_values(stride * kKvBlockTokens * bytes);
    Guarded<std::uint8_t> values(stride * kKvBlockTokens * bytes);
    kScalarTable.store_value[type](x.data(), head_dim, slot, stride, expected_values.data());
    table().store_value[type](x.data(), head_dim, slot, stride, values.data());
    RC_ASSERT(values.same_as(expected_values));
  }));
}

TEST_P(Attention, ScoresEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::size_t type = any_type();
    const std::int64_t heads = any_size(8, 2);
    const std::int64_t head_dim = any_size(16);
    const std::int64_t q_stride = head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
    const std::int64_t stride = kKvBlockTokens + *rc::gen::inRange<std::int64_t>(0, 9);
    const Values kind = any_values();
    const auto q = random_floats(any_seed(), heads * q_stride, kind);
    const auto block = random_block(type, head_dim * kKvBlockTokens, kind);
    Guarded<float> expected(heads * stride);
    Guarded<float> scores(heads * stride);
    kScalarTable.attention_scores[type](q.data(), heads, q_stride, block.data(), block.data(), head_dim, 0.3F,
                                        expected.data(), stride);
    table().attention_scores[type](q.data(), heads, q_stride, block.data(), block.data(), head_dim, 0.3F, scores.data(),
                                   stride);
    RC_ASSERT(scores.same_as(expected));
  }));
}

TEST_P(Attention, ValuesEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::size_t type = any_type();
    const std::int64_t heads = any_size(8, 2);
    const std::int64_t head_dim = any_size(16, 6);
    const std::int64_t value_stride = head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
    const auto tokens = *rc::gen::inRange<std::int64_t>(0, kKvBlockTokens + 1);
    const std::int64_t p_stride = tokens + *rc::gen::inRange<std::int64_t>(0, 9);
    const std::int64_t out_stride = head_dim + *rc::gen::inRange<std::int64_t>(0, 9);
    const Values kind = any_values();
    const auto p = random_floats(any_seed(), heads * p_stride, kind);
    const auto block = random_block(type, tokens * value_stride, kind);
    const auto before = random_floats(any_seed(), heads * out_stride, kind);
    Guarded<float> expected(heads * out_stride);
    std::copy(before.begin(), before.end(), expected.data());
    Guarded<float> out = expected;
    kScalarTable.attention_values[type](p.data(), heads, p_stride, block.data(), block.data(), value_stride, tokens,
                                        head_dim, expected.data(), out_stride);
    table().attention_values[type](p.data(), heads, p_stride, block.data(), block.data(), value_stride, tokens,
                                   head_dim, out.data(), out_stride);
    RC_ASSERT(out.same_as(expected));
  }));
}

}  // namespace
}  // namespace bitnet::kernels
