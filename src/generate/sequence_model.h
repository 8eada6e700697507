#pragma once
/// The network as generation sees it: sequences that grow, fork and shrink. An interface, so that tests bring a fake.

#include <cstdint>
#include <memory>
#include <span>

#include "backend/top_rows.h"
#include "tensor/matrix_view.h"

namespace bitnet::generate {

/// One sequence of ids and what the model keeps for it.
class Sequence {
 public:
  virtual ~Sequence() = default;
  /// Another sequence with the same past; the two share its memory until they differ.
  [[nodiscard]] virtual std::unique_ptr<Sequence> fork() const = 0;
  /// Forgets all ids from `length` on.
  virtual void truncate(std::int64_t length) = 0;
};

/// What is computed for one sequence in one pass.
struct Step {
  Sequence* sequence;
  std::int32_t prompt;                       ///< whose search asks, by its place in the call of generate()
  std::span<const std::int32_t> ids;         ///< appended to the sequence; at least one
  std::span<const backend::TopRows> needed;  ///< of the logits of the last needed.size() ids, which have to be exact
};

/// What one pass has computed, valid until the next one.
struct Computed {
  MatrixView<float> logits;        ///< [Σ needed.size(), vocab], in the order of the steps; the caller may change them
  MatrixView<const float> hidden;  ///< [Σ ids.size(), hidden]: the head's inputs, if they were asked for
};

class SequenceModel {
 public:
  virtual ~SequenceModel() = default;
  [[nodiscard]] virtual std::int64_t context_length() const = 0;
  [[nodiscard]] virtual std::int64_t vocab_size() const = 0;
  /// All steps in one ragged pass.
  [[nodiscard]] virtual Computed forward(std::span<const Step> steps, bool wants_hidden) = 0;
};

}  // namespace bitnet::generate
