#include <algorithm>

#include "backend/cpu/cpu_backend.h"

namespace bitnet::backend {
namespace {

using kernels::kKvBlockTokens;

// Below this many keys, a group of heads is too short a piece of work to share.
constexpr std::int64_t kSharedKeys = 256;

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

/// One call of attention(). An item is one token and one group of query heads that share a key/value head.
struct AttentionCall {
  const kernels::KernelTable& table;
  const KvLayout layout;
  const KvShape& shape;
  const std::int64_t layer;
  const std::int64_t heads;  // query heads of an item
  const MatrixView<const float> q;
  const float scale;
  const std::span<const KvCursor> tokens;
  const MatrixView<float> out;
  const MatrixView<float> probabilities;
  const int type = type_index(shape);

  struct Item {
    const KvCursor& token;
    std::int64_t row;
    std::int64_t kv_head;
    [[nodiscard]] std::int64_t keys() const { return token.position + 1; }
    [[nodiscard]] std::int64_t blocks() const { return token.position / kKvBlockTokens + 1; }
    [[nodiscard]] std::int64_t stride() const { return blocks() * kKvBlockTokens; }
  };
  [[nodiscard]] std::int64_t items() const { return q.rows * shape.kv_heads; }
  [[nodiscard]] Item item(std::int64_t i) const {
    const std::int64_t row = i / shape.kv_heads;
    return {tokens[static_cast<std::size_t>(row)], row, i % shape.kv_heads};
  }
  [[nodiscard]] std::int64_t column(const Item& item) const { return item.kv_head * heads * shape.head_dim; }

  /// Key or value block `b`, or the last one, whose place in a layer is `at`.
  static const std::byte* block_at(const Item& item, std::int64_t b, std::int64_t at) {
    return bytes_of(*item.token.blocks[std::min(b, item.blocks() - 1)]) + at;
  }
  /// scores: [heads, item.stride()]; of block `b` alone.
  void scores_of_block(const Item& item, std::int64_t b, float* scores) const {
    const std::int64_t at = layout.key(layer, item.kv_head);
    table.attention_scores[type](q.row(item.row) + column(item), heads, shape.head_dim, block_at(item, b, at),
                                 block_at(item, b + 1, at), shape.head_dim, scale, scores + b * kKvBlockTokens,
                                 item.stride());
  }
  /// In place, scores of one head → probabilities.
  void softmax_of_head(const Item& item, std::int64_t head, float* scores) const {
    float* row = scores + head * item.stride();
    table.softmax(row, item.keys());
    if (probabilities.data == nullptr) return;
    std::copy_n(row, std::min(item.keys(), probabilities.cols),
                probabilities.row((item.row * shape.kv_heads + item.kv_head) * heads + head));
  }
  /// Dimensions [begin, end) of the output of all heads.
  void values_of_dims(const Item& item, const float* scores, std::int64_t begin, std::int64_t end) const {
    float* to = out.row(item.row) + column(item) + begin;
    for (std::int64_t h = 0; h < heads; ++h) std::fill_n(to + h * shape.head_dim, end - begin, 0.0F);
    for (std::int64_t b = 0; b < item.blocks(); ++b) {
      const std::int64_t count = std::min(kKvBlockTokens, item.keys() - b * kKvBlockTokens);
      const std::int64_t at = layout.value(layer, item.kv_head) + begin * layout.element;
      table.attention_values[type](scores + b * kKvBlockTokens, heads, item.stride(), block_at(item, b, at),
                                   block_at(item, b + 1, at), layout.value_stride, count, end - begin, to,
                                   shape.head_dim);
    }
  }
};

float* grown(std::vector<float>& memory, std::int64_t size) {
  if (memory.size() < static_cast<std::size_t>(size)) memory.resize(static_cast<std::size_t>(size) * 2);
  return memory.data();
}

/// Many items: a thread computes whole ones.
void attend_by_item(const AttentionCall& call, ThreadPool& pool, std::span<std::vector<float>> memory) {
  pool.share(call.items(), 1, [&](int part, PartRange piece) {
    for (std::int64_t i = piece.begin; i < piece.end; ++i) {
      const AttentionCall::Item item = call.item(i);
      float* scores = grown(memory[static_cast<std::size_t>(part)], call.heads * item.stride());
      for (std::int64_t b = 0; b < item.blocks(); ++b) call.scores_of_block(item, b, scores);
      for (std::int64_t h = 0; h < call.heads; ++h) call.softmax_of_head(item, h, scores);
      call.values_of_dims(item, scores, 0, call.shape.head_dim);
    }
  });
}

/// Few items: all threads share each, first the blocks of keys, then the heads, then the dimensions of the values.
/// Every number is still computed whole by one thread, in the same order of operations.
void attend_together(const AttentionCall& call, ThreadPool& pool, std::vector<float>& memory) {
  std::vector<std::int64_t> first_block{0};  // of each item among all
  for (std::int64_t i = 0; i < call.items(); ++i) first_block.push_back(first_block.back() + call.item(i).blocks());
  float* scores = grown(memory, first_block.back() * kKvBlockTokens * call.heads);
  const auto scores_of = [&](std::int64_t i) {
    return scores + first_block[static_cast<std::size_t>(i)] * kKvBlockTokens * call.heads;
  };
  pool.share(first_block.back(), 1, [&](int, PartRange range) {
    for (std::int64_t i = 0; i < call.items(); ++i) {
      const std::int64_t first = first_block[static_cast<std::size_t>(i)];
      const AttentionCall::Item item = call.item(i);
      for (std::int64_t b = std::max(range.begin, first); b < std::min(range.end, first + item.blocks()); ++b) {
        call.scores_of_block(item, b - first, scores_of(i));
      }
    }
  });
  pool.share(call.items() * call.heads, 1, [&](int, PartRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      call.softmax_of_head(call.item(i / call.heads), i % call.heads, scores_of(i / call.heads));
    }
  });
  const std::int64_t dims = call.shape.head_dim;
  pool.share(call.items() * dims, 16, [&](int, PartRange range) {
    for (std::int64_t i = 0; i < call.items(); ++i) {
      const std::int64_t begin = std::max(range.begin, i * dims) - i * dims;
      const std::int64_t end = std::min(range.end, (i + 1) * dims) - i * dims;
      if (begin < end) call.values_of_dims(call.item(i), scores_of(i), begin, end);
    }
  });
}

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
  const std::int64_t heads = q.cols / shape.head_dim / shape.kv_heads;
  const AttentionCall call{table_, KvLayout(shape), shape, layer, heads, q, scale, tokens, out, probabilities};
  scores_.resize(static_cast<std::size_t>(pool_.size()));
  std::int64_t keys = 0;
  for (const KvCursor& token : tokens) keys = std::max(keys, token.position + 1);
  // Sharing an item costs two more meetings of the threads: worth it where they would be uneven otherwise.
  if (pool_.size() > 1 && call.items() < 4 * pool_.size() && keys >= kSharedKeys) {
    attend_together(call, pool_, scores_[0]);
  } else {
    attend_by_item(call, pool_, scores_);
  }
}

}  // namespace bitnet::backend
