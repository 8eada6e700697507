#pragma once
/// Texts as vectors: the last token's output of the network, of length 1.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bitnet/engine.h"

namespace bitnet {

struct EmbedOptions {
  std::string prefix = {};  ///< put before each text: the instruction that the model was trained to see there
  bool truncate = false;    ///< cut a text that is longer than the model's context, instead of Error(limit)
  std::function<void(double fraction)> on_progress = {};
};

struct Embeddings {
  std::int64_t dimensions = 0;         ///< hidden_size
  std::vector<float> values;           ///< [texts, dimensions], each row of length 1
  std::vector<std::int64_t> tokens;    ///< [texts], special tokens included
  std::vector<std::size_t> truncated;  ///< the texts that were cut, in ascending order

  [[nodiscard]] std::span<const float> row(std::size_t text) const {
    const auto size = static_cast<std::size_t>(dimensions);
    return std::span(values).subspan(text * size, size);
  }
};

/// Several texts go through the network together, in memory that does not grow with their number; a text's vector is
/// the same to the bit in any company, with every number of threads and every kernel table. Any model can be asked, but
/// only one that was trained for it gives vectors that mean something.
/// Special tokens are those of the tokenizer's template; a cut text keeps them and loses its end.
/// Throws Error(limit) for a text longer than the context, Error(invalid_argument) for one without tokens or with
/// invalid UTF-8, Error(unsupported) for a checkpoint whose 1_Pooling/config.json wants another pooling than the last
/// token's, Error(not_found) without a tokenizer.
[[nodiscard]] Embeddings embed(const Engine& engine, std::span<const std::string> texts,
                               const EmbedOptions& options = {});

/// The same of token ids, which are used as they are.
[[nodiscard]] Embeddings embed_ids(const Engine& engine, std::span<const std::vector<std::int32_t>> texts,
                                   const std::function<void(double fraction)>& on_progress = {});

}  // namespace bitnet
