#include <algorithm>

#include "backend/cpu/cpu_backend.h"

namespace bitnet::backend {
namespace {

using kernels::kKvBlockTokens;

/// Where a layer's keys and values of one head lie in a block:
/// layers × { keys [kv_heads, head_dim, 32], values [kv_heads, 32, value_stride] }.
struct KvLayout {
  explicit KvLayout(const KvShape& shape)
      : element(shape.type == KvType::f32 ? 4 : 2),
        value_stride((shape.head_dim + 15) / 16 * 16),
        key_bytes(shape.head_dim * kKvBlockTokens * element),
        value_bytes(value_stride * kKvBlockTokens * element),
        layer_bytes(shape.kv_heads * (key_bytes + value_bytes)),
        values_at(shape.kv_heads * key_bytes) {}
  [[nodiscard]] std::int64_t key(std::int64_t layer, std::int64_t head) const {
    return layer * layer_bytes + head * key_bytes;
  }
  [[nodiscard]] std::int64_t value(std::int64_t layer, std::int64_t head) const {
    return layer * layer_bytes + values_at + head * value_bytes;
  }

  std::int64_t element;
  std::int64_t value_stride;
  std::int64_t key_bytes;
  std::int64_t value_bytes;
  std::int64_t layer_bytes;
  std::int64_t values_at;
};

struct CpuKvBlock final : KvBlock {
  explicit CpuKvBlock(std::int64_t bytes) : memory(static_cast<std::size_t>(bytes)) {}
  AlignedBuffer memory;
};

std::byte* bytes_of(const KvBlock& block) { return static_cast<const CpuKvBlock&>(block).memory.data(); }

int type_index(const KvShape& shape) {
  return static_cast<int>(shape.type == KvType::f32 ? kernels::KvType::f32 : kernels::KvType::f16);
}

/// One token and one group of query heads that share a key/value head.
struct GroupTask {
  const kernels::KernelTable& table;
  const KvLayout& layout;
  int type;
  std::int64_t head_dim;
  float scale;

  void operator()(const KvCursor& token, std::int64_t key_at, std::int64_t value_at, std::int64_t heads, const float* q,
                  float* scores, float* out, float* probabilities, std::int64_t probabilities_stride) const {
    const std::int64_t count = token.position + 1;
    const std::int64_t blocks = (count + kKvBlockTokens - 1) / kKvBlockTokens;
    const std::int64_t stride = blocks * kKvBlockTokens;
    for (std::int64_t b = 0; b < blocks; ++b) {
      table.attention_scores[type](q, heads, head_dim, bytes_of(*token.blocks[b]) + key_at, head_dim, scale,
                                   scores + b * kKvBlockTokens, stride);
    }
    for (std::int64_t h = 0; h < heads; ++h) table.softmax(scores + h * stride, count);
    std::fill_n(out, heads * head_dim, 0.0F);
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t tokens = std::min(kKvBlockTokens, count - b * kKvBlockTokens);
      table.attention_values[type](scores + b * kKvBlockTokens, heads, stride, bytes_of(*token.blocks[b]) + value_at,
                                   layout.value_stride, tokens, head_dim, out, head_dim);
    }
    if (probabilities == nullptr) return;
    for (std::int64_t h = 0; h < heads; ++h) {
      std::copy_n(scores + h * stride, std::min(count, probabilities_stride), probabilities + h * probabilities_stride);
    }
  }
};

}  // namespace

std::int64_t CpuBackend::kv_block_bytes(const KvShape& shape) const {
  return shape.layers * KvLayout(shape).layer_bytes;
}

std::unique_ptr<KvBlock> CpuBackend::make_kv_block(const KvShape& shape) {
  return std::make_unique<CpuKvBlock>(kv_block_bytes(shape));
}

void CpuBackend::copy_kv_block(const KvBlock& from, KvBlock& to) {
  const AlignedBuffer& source = static_cast<const CpuKvBlock&>(from).memory;
  std::copy_n(source.data(), source.size(), bytes_of(to));
}

void CpuBackend::read_kv(const KvBlock& block, const KvShape& shape, std::int64_t layer, std::int64_t slot,
                         std::span<float> key, std::span<float> value) const {
  const KvLayout layout(shape);
  const auto convert =
      table_.to_float[static_cast<int>(shape.type == KvType::f32 ? kernels::DenseType::f32 : kernels::DenseType::f16)];
  for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
    const std::byte* keys = bytes_of(block) + layout.key(layer, head);
    const std::byte* values = bytes_of(block) + layout.value(layer, head);
    float* key_out = key.data() + head * shape.head_dim;
    for (std::int64_t d = 0; d < shape.head_dim; ++d) {
      convert(keys + (d * kKvBlockTokens + slot) * layout.element, 1, key_out + d);
    }
    convert(values + slot * layout.value_stride * layout.element, shape.head_dim, value.data() + head * shape.head_dim);
  }
}

void CpuBackend::store_kv(const KvShape& shape, std::int64_t layer, MatrixView<const float> keys,
                          MatrixView<const float> values, std::span<const KvCursor> tokens) {
  const KvLayout layout(shape);
  const int type = type_index(shape);
  for_each_row(keys.rows, [&](std::int64_t t) {
    const KvCursor& token = tokens[static_cast<std::size_t>(t)];
    std::byte* block = bytes_of(*token.blocks[token.position / kKvBlockTokens]);
    const std::int64_t slot = token.position % kKvBlockTokens;
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      table_.store_key[type](keys.row(t) + head * shape.head_dim, shape.head_dim, slot,
                             block + layout.key(layer, head));
      table_.store_value[type](values.row(t) + head * shape.head_dim, shape.head_dim, slot, layout.value_stride,
                               block + layout.value(layer, head));
    }
  });
}

void CpuBackend::attention(const KvShape& shape, std::int64_t layer, MatrixView<const float> q, float scale,
                           std::span<const KvCursor> tokens, MatrixView<float> out, MatrixView<float> probabilities) {
  const KvLayout layout(shape);
  const std::int64_t heads = q.cols / shape.head_dim / shape.kv_heads;  // query heads that share a key
  const GroupTask task{table_, layout, type_index(shape), shape.head_dim, scale};
  scores_.resize(static_cast<std::size_t>(pool_.size()));
  const std::int64_t items = q.rows * shape.kv_heads;
  const auto run = [&](int part, int parts) {
    std::vector<float>& scores = scores_[static_cast<std::size_t>(part)];
    // Interleaved, because later tokens of a prompt see more keys than earlier ones.
    for (std::int64_t item = part; item < items; item += parts) {
      const std::int64_t t = item / shape.kv_heads;
      const std::int64_t head = item % shape.kv_heads;
      const KvCursor& token = tokens[static_cast<std::size_t>(t)];
      const auto needed = static_cast<std::size_t>(heads * (token.position / kKvBlockTokens + 1) * kKvBlockTokens);
      if (scores.size() < needed) scores.resize(needed * 2);
      const std::int64_t first = head * heads;
      float* visible = probabilities.data == nullptr ? nullptr : probabilities.row(t * heads * shape.kv_heads + first);
      task(token, layout.key(layer, head), layout.value(layer, head), heads, q.row(t) + first * shape.head_dim,
           scores.data(), out.row(t) + first * shape.head_dim, visible, probabilities.stride);
    }
  };
  pool_.run(run);
}

}  // namespace bitnet::backend
