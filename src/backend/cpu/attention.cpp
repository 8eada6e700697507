#include <algorithm>
#include <array>

#include "backend/cpu/cpu_backend.h"
#include "pack/kv_block.h"

namespace bitnet::backend {
namespace {

using kernels::kKvBlockTokens;

// Below this many keys, a group of heads is too short a piece of work to share.
constexpr std::int64_t kSharedKeys = 256;

// Tokens of a prompt that go through keys and values together, fewer where the scores of so many would not stay in the
// second-level cache.
constexpr std::int64_t kItemTokens = 32;
constexpr std::int64_t kItemScores = 256 * 1024;

// What threads share of a head's dimensions: whole tiles of a kernel, less only where that makes threads more even. The
// smallest is a vector of values (kernels::ValuePart).
constexpr std::int64_t kMostShareDims = 64;
constexpr std::int64_t kLeastShareDims = pack::kKvPairDims;

constexpr kernels::KvType kTypes[] = {kernels::KvType::f32, kernels::KvType::f16, kernels::KvType::q8,
                                      kernels::KvType::q4};

/// Where a layer's keys and values of one head lie in a block (pack/kv_block.h): layers × { keys of kv_heads, values of
/// kv_heads }.
struct KvLayout {
  explicit KvLayout(const KvShape& shape)
      : type(kTypes[static_cast<int>(shape.type)]),
        value_stride((shape.head_dim + 15) / 16 * 16),
        key_bytes(pack::key_block_bytes(type, shape.head_dim)),
        value_bytes(pack::value_block_bytes(type, value_stride)),
        layer_bytes(shape.kv_heads * (key_bytes + value_bytes)),
        values_at(shape.kv_heads * key_bytes) {}
  [[nodiscard]] std::int64_t key(std::int64_t layer, std::int64_t head) const {
    return layer * layer_bytes + head * key_bytes;
  }
  [[nodiscard]] std::int64_t value(std::int64_t layer, std::int64_t head) const {
    return layer * layer_bytes + values_at + head * value_bytes;
  }
  /// The type's place in a kernel table.
  [[nodiscard]] int kernel() const { return static_cast<int>(type); }

  kernels::KvType type;
  std::int64_t value_stride;
  std::int64_t key_bytes;
  std::int64_t value_bytes;
  std::int64_t layer_bytes;
  std::int64_t values_at;
};

std::byte* bytes_of(const KvBlock& block) { return static_cast<const CpuKvBlock&>(block).bytes(); }

/// One call of attention(). An item is a few consecutive tokens of one sequence and one group of query heads that share
/// a key/value head. Its scores are [heads, tokens, stride()].
struct AttentionCall {
  const kernels::KernelTable& table;
  const KvLayout layout;
  const KvShape& shape;
  const std::int64_t layer;
  const std::int64_t heads;  // query heads of an item
  const MatrixView<const float> q;
  const AttentionRule rule;
  const std::span<const KvCursor> tokens;
  const MatrixView<float> out;
  const MatrixView<float> probabilities;
  const int type = layout.kernel();

  struct Item {
    std::span<const KvCursor> tokens;
    std::int64_t row;  // of the first token
    std::int64_t kv_head;
    std::int64_t window;
    [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(tokens.size()); }
    /// The keys that a token sees are [first_key, end_key), by its place in the item.
    [[nodiscard]] std::int64_t end_key(std::int64_t token) const { return tokens.front().position + token + 1; }
    [[nodiscard]] std::int64_t first_key(std::int64_t token) const {
      return std::max<std::int64_t>(0, end_key(token) - window);
    }
    /// Blocks that some token sees, from first_block() on.
    [[nodiscard]] std::int64_t first_block() const { return first_key(0) / kKvBlockTokens; }
    [[nodiscard]] std::int64_t blocks() const { return tokens.back().position / kKvBlockTokens + 1 - first_block(); }
    [[nodiscard]] std::int64_t stride() const { return blocks() * kKvBlockTokens; }
    /// The key whose score stands first.
    [[nodiscard]] std::int64_t origin() const { return first_block() * kKvBlockTokens; }
  };
  [[nodiscard]] Item item(PartRange rows, std::int64_t kv_head) const {
    const auto begin = static_cast<std::size_t>(rows.begin);
    return {tokens.subspan(begin, static_cast<std::size_t>(rows.end) - begin), rows.begin, kv_head, rule.window};
  }
  /// Items of one token.
  [[nodiscard]] std::int64_t items() const { return q.rows * shape.kv_heads; }
  [[nodiscard]] Item item(std::int64_t i) const {
    const std::int64_t row = i / shape.kv_heads;
    return item({row, row + 1}, i % shape.kv_heads);
  }

  /// The item's key or value block `b`, whose place in a layer is `at`.
  static const std::byte* block_at(const Item& item, std::int64_t b, std::int64_t at) {
    return bytes_of(*item.tokens.front().blocks[item.first_block() + b]) + at;
  }
  /// Kernels take rows at equal distances: here `count` of them, the first being head `head` of token `token`, the
  /// others its other heads or that head of the tokens after it.
  struct Rows {
    std::int64_t token;
    std::int64_t head;
    std::int64_t count;
    bool of_one_token;
  };
  /// Calls f(Rows) for all rows of the item's tokens [first, last), the way that gives more rows at once.
  template <typename F>
  void for_rows(std::int64_t first, std::int64_t last, F f) const {
    if (last - first < heads) {
      for (std::int64_t t = first; t < last; ++t) f(Rows{t, 0, heads, true});
    } else {
      for (std::int64_t h = 0; h < heads; ++h) f(Rows{first, h, last - first, false});
    }
  }
  template <typename T>
  T* at(MatrixView<T> matrix, const Item& item, const Rows& rows) const {
    return matrix.row(item.row + rows.token) + (item.kv_head * heads + rows.head) * shape.head_dim;
  }
  template <typename T>
  std::int64_t distance(MatrixView<T> matrix, const Rows& rows) const {
    return rows.of_one_token ? shape.head_dim : matrix.stride;
  }
  static std::int64_t score_at(const Item& item, const Rows& rows) {
    return (rows.head * item.count() + rows.token) * item.stride();
  }
  static std::int64_t score_distance(const Item& item, const Rows& rows) {
    return rows.of_one_token ? item.count() * item.stride() : item.stride();
  }

  /// Blocks of keys of one item that are read side by side: kKeyBlocks of one token's, or one.
  struct KeyRun {
    Item item;
    std::int64_t begin;
    std::int64_t count;
    std::array<const void*, kernels::kKeyBlocks> blocks;  // the last one again when they are fewer
  };
  static std::int64_t run_blocks(const Item& item) { return item.count() == 1 ? kernels::kKeyBlocks : 1; }
  static std::int64_t runs(const Item& item) { return (item.blocks() + run_blocks(item) - 1) / run_blocks(item); }
  [[nodiscard]] KeyRun run_at(const Item& item, std::int64_t i) const {
    KeyRun run{item, i * run_blocks(item), 0, {}};
    run.count = std::min(run_blocks(item), item.blocks() - run.begin);
    for (std::int64_t b = 0; b < kernels::kKeyBlocks; ++b) {
      run.blocks[static_cast<std::size_t>(b)] =
          block_at(item, run.begin + std::min(b, run.count - 1), layout.key(layer, item.kv_head));
    }
    return run;
  }
  /// Scores of a run, for the tokens that see some of it. `next` is asked for meanwhile.
  void scores_of_run(const KeyRun& run, const KeyRun& next, float* scores) const {
    const Item& item = run.item;
    const kernels::KeyBlocks keys{run.blocks.data(), next.blocks.data(), run.count};
    const std::int64_t first_key = item.origin() + run.begin * kKvBlockTokens;
    const std::int64_t first = std::max<std::int64_t>(0, first_key + 1 - item.end_key(0));
    const std::int64_t last = std::min(item.count(), first_key + kKvBlockTokens + rule.window - item.end_key(0));
    for_rows(first, last, [&](const Rows& rows) {
      table.attention_scores[type](at(q, item, rows), rows.count, distance(q, rows), keys, shape.head_dim, rule.scale,
                                   scores + score_at(item, rows) + run.begin * kKvBlockTokens,
                                   score_distance(item, rows));
    });
  }
  /// Scores of the runs run_of(i), i in `range` of 0..count, to scores_of(item).
  template <typename RunOf, typename ScoresOf>
  void scores_of_runs(PartRange range, std::int64_t count, const RunOf& run_of, const ScoresOf& scores_of) const {
    if (range.begin == range.end) return;
    KeyRun run = run_of(range.begin);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const KeyRun next = run_of(std::min(i + 1, count - 1));
      scores_of_run(run, next, scores_of(run.item));
      run = next;
    }
  }
  /// In place, scores of one head of one token → probabilities.
  void softmax_of_row(const Item& item, std::int64_t token, std::int64_t head, float* scores) const {
    const std::int64_t first = item.first_key(token);
    const std::int64_t keys = item.end_key(token) - first;
    float* row = scores + (head * item.count() + token) * item.stride() + first - item.origin();
    table.softmax(row, keys);
    if (probabilities.data == nullptr) return;
    std::copy_n(row, std::min(keys, probabilities.cols - first),
                probabilities.row(((item.row + token) * shape.kv_heads + item.kv_head) * heads + head) + first);
  }
  /// Dimensions [begin, end) of the output of all heads. What all tokens see of a block is read once for all of them.
  void values_of_dims(const Item& item, const float* scores, std::int64_t begin, std::int64_t end) const {
    for (std::int64_t i = 0; i < item.count() * heads; ++i) {
      std::fill_n(at(out, item, {i / heads, i % heads, 1, true}) + begin, end - begin, 0.0F);
    }
    for (std::int64_t b = 0; b < item.blocks(); ++b) {
      const std::int64_t place = layout.value(layer, item.kv_head);
      const auto add = [&](const Rows& rows, std::int64_t from, std::int64_t to) {
        const kernels::ValuePart part{layout.value_stride, from, to - from, begin, end - begin};
        table.attention_values[type](scores + score_at(item, rows) + b * kKvBlockTokens + from, rows.count,
                                     score_distance(item, rows), block_at(item, b, place),
                                     block_at(item, std::min(b + 1, item.blocks() - 1), place), part,
                                     at(out, item, rows) + begin, distance(out, rows));
      };
      const auto in_block = [&](std::int64_t key) {
        return std::clamp<std::int64_t>(key - item.origin() - b * kKvBlockTokens, 0, kKvBlockTokens);
      };
      // Both ends move on from token to token: [begin of the last, end of the first) is what all see, if anything.
      const std::int64_t all_from = in_block(item.first_key(item.count() - 1));
      const std::int64_t all_to = std::max(all_from, in_block(item.end_key(0)));
      const auto add_of_token = [&](std::int64_t t, std::int64_t from, std::int64_t to) {
        if (from < to) add({t, 0, heads, true}, from, to);
      };
      for (std::int64_t t = 0; t + 1 < item.count(); ++t) {
        add_of_token(t, in_block(item.first_key(t)), std::min(in_block(item.end_key(t)), all_from));
      }
      if (all_from < all_to) for_rows(0, item.count(), [&](const Rows& rows) { add(rows, all_from, all_to); });
      for (std::int64_t t = 1; t < item.count(); ++t) add_of_token(t, all_to, in_block(item.end_key(t)));
    }
  }
};

float* grown(std::vector<float>& memory, std::int64_t size) {
  if (memory.size() < static_cast<std::size_t>(size)) memory.resize(static_cast<std::size_t>(size) * 2);
  return memory.data();
}

/// Runs of at most `most` rows that are consecutive tokens of one sequence.
std::vector<PartRange> runs_of(std::span<const KvCursor> tokens, std::int64_t most) {
  std::vector<PartRange> runs;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const auto row = static_cast<std::int64_t>(t);
    if (t > 0 && tokens[t].blocks == tokens[t - 1].blocks && tokens[t].position == tokens[t - 1].position + 1 &&
        row - runs.back().begin < most) {
      runs.back().end = row + 1;
    } else {
      runs.push_back({row, row + 1});
    }
  }
  return runs;
}

/// Many items: a thread computes whole ones.
void attend_by_item(const AttentionCall& call, std::int64_t keys, ThreadPool& pool,
                    std::span<std::vector<float>> memory) {
  std::int64_t most = kItemTokens;
  while (most > 1 && (call.items() < 4 * pool.size() * most || most * call.heads * keys > kItemScores)) most /= 2;
  const std::vector<PartRange> runs = runs_of(call.tokens, most);
  const std::int64_t kv_heads = call.shape.kv_heads;
  pool.share(static_cast<std::int64_t>(runs.size()) * kv_heads, 1, [&](int part, PartRange piece) {
    for (std::int64_t i = piece.begin; i < piece.end; ++i) {
      const AttentionCall::Item item = call.item(runs[static_cast<std::size_t>(i / kv_heads)], i % kv_heads);
      float* scores = grown(memory[static_cast<std::size_t>(part)], call.heads * item.count() * item.stride());
      call.scores_of_runs(
          {0, call.runs(item)}, call.runs(item), [&](std::int64_t run) { return call.run_at(item, run); },
          [&](const auto&) { return scores; });
      for (std::int64_t h = 0; h < call.heads; ++h) {
        for (std::int64_t t = 0; t < item.count(); ++t) call.softmax_of_row(item, t, h, scores);
      }
      call.values_of_dims(item, scores, 0, call.shape.head_dim);
    }
  });
}

/// The largest pieces of `dims` dimensions of each of `items` that give the thread with most of them the least.
std::int64_t share_dims(std::int64_t dims, std::int64_t items, int threads) {
  const auto most_of_a_thread = [&](std::int64_t piece) {
    const std::int64_t pieces = items * ((dims + piece - 1) / piece);
    return (pieces + threads - 1) / threads * piece;
  };
  std::int64_t best = kMostShareDims;
  for (std::int64_t piece = best / 2; piece >= kLeastShareDims; piece /= 2) {
    if (most_of_a_thread(piece) < most_of_a_thread(best)) best = piece;
  }
  return best;
}

/// Few items: all threads share each, first the blocks of keys, then the heads, then the dimensions of the values.
/// Every number is still computed whole by one thread, in the same order of operations.
void attend_together(const AttentionCall& call, ThreadPool& pool, std::vector<float>& memory) {
  std::vector<std::int64_t> first_block{0};  // of each item among all
  for (std::int64_t i = 0; i < call.items(); ++i) first_block.push_back(first_block.back() + call.item(i).blocks());
  float* scores = grown(memory, first_block.back() * kKvBlockTokens * call.heads);
  const auto scores_of = [&](const AttentionCall::Item& item) {
    const auto i = static_cast<std::size_t>(item.row * call.shape.kv_heads + item.kv_head);
    return scores + first_block[i] * kKvBlockTokens * call.heads;
  };
  // The same blocks of all heads follow one another: they lie together in memory.
  std::vector<std::int64_t> first_run{0};  // of each token among all
  const std::int64_t kv_heads = call.shape.kv_heads;
  for (std::int64_t i = 0; i < call.items(); i += kv_heads) {
    first_run.push_back(first_run.back() + call.runs(call.item(i)) * kv_heads);
  }
  const auto run_of = [&](std::int64_t run) {
    const auto token = std::upper_bound(first_run.begin(), first_run.end(), run) - first_run.begin() - 1;
    const std::int64_t i = run - first_run[static_cast<std::size_t>(token)];
    return call.run_at(call.item(token * kv_heads + i % kv_heads), i / kv_heads);
  };
  pool.share(first_run.back(), 1,
             [&](int, PartRange range) { call.scores_of_runs(range, first_run.back(), run_of, scores_of); });
  pool.share(call.items() * call.heads, 1, [&](int, PartRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const AttentionCall::Item item = call.item(i / call.heads);
      call.softmax_of_row(item, 0, i % call.heads, scores_of(item));
    }
  });
  const std::int64_t dims = call.shape.head_dim;
  const std::int64_t piece = share_dims(dims, call.items(), pool.size());
  const std::int64_t pieces = (dims + piece - 1) / piece;  // of an item
  // Each thread reads one part of every row of values from the first block to the last: not in turns, because every
  // turn would begin with memory that nobody has asked for yet.
  pool.run([&](int part, int parts) {
    const PartRange range = part_range(call.items() * pieces, part, parts);
    for (std::int64_t i = 0; i < call.items(); ++i) {
      const std::int64_t begin = std::max(range.begin - i * pieces, std::int64_t{0}) * piece;
      const std::int64_t end = std::min((range.end - i * pieces) * piece, dims);
      const AttentionCall::Item item = call.item(i);
      if (begin < end) call.values_of_dims(item, scores_of(item), begin, end);
    }
  });
}

}  // namespace

std::int64_t CpuBackend::kv_block_bytes(const KvShape& shape) const {
  return shape.layers * KvLayout(shape).layer_bytes;
}

std::unique_ptr<KvBlock> CpuBackend::make_kv_block(const KvShape& shape) {
  return std::make_unique<CpuKvBlock>(spare_blocks_, static_cast<std::size_t>(kv_block_bytes(shape)));
}

void CpuBackend::copy_kv_block(const KvBlock& from, KvBlock& to) {
  std::copy_n(bytes_of(from), static_cast<const CpuKvBlock&>(from).size(), bytes_of(to));
}

void CpuBackend::read_kv(const KvBlock& block, const KvShape& shape, std::int64_t layer, std::int64_t slot,
                         std::span<float> key, std::span<float> value) const {
  const KvLayout layout(shape);
  for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
    pack::read_key(layout.type, bytes_of(block) + layout.key(layer, head), shape.head_dim, slot,
                   key.data() + head * shape.head_dim);
    pack::read_value(layout.type, bytes_of(block) + layout.value(layer, head), layout.value_stride, shape.head_dim,
                     slot, value.data() + head * shape.head_dim);
  }
}

void CpuBackend::store_kv(const KvShape& shape, std::int64_t layer, MatrixView<const float> keys,
                          MatrixView<const float> values, std::span<const KvCursor> tokens) {
  const KvLayout layout(shape);
  const int type = layout.kernel();
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

void CpuBackend::attention(const KvShape& shape, std::int64_t layer, MatrixView<const float> q, AttentionRule rule,
                           std::span<const KvCursor> tokens, MatrixView<float> out, MatrixView<float> probabilities) {
  const std::int64_t heads = q.cols / shape.head_dim / shape.kv_heads;
  const AttentionCall call{table_, KvLayout(shape), shape, layer, heads, q, rule, tokens, out, probabilities};
  scores_.resize(static_cast<std::size_t>(pool_.size()));
  std::int64_t keys = 0;
  for (const KvCursor& token : tokens) keys = std::max(keys, std::min(token.position + 1, rule.window));
  // Sharing an item costs two more meetings of the threads: worth it where they would be uneven otherwise.
  if (pool_.size() > 1 && call.items() < 4 * pool_.size() && keys >= kSharedKeys) {
    attend_together(call, pool_, scores_[0]);
  } else {
    attend_by_item(call, keys, pool_, scores_);
  }
}

}  // namespace bitnet::backend
