#pragma once
/// From any readable form of a checkpoint to another, tensor by tensor.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "backend/backend.h"
#include "formats/gguf.h"
#include "loading/stored_model.h"

namespace bitnet::loading {

/// How ternary weights are written.
enum class TernaryTarget {
  packed,  ///< Hugging Face folder: packed uint8 and weight_scale
  bf16,    ///< Hugging Face folder: dequantized, 0 or ± scale in bf16
  i2_s,    ///< GGUF, as the other three
  tq1_0,
  tq2_0,
  q2_0,
};

struct Conversion {
  TernaryTarget target = TernaryTarget::packed;
  /// Element type of embedding and head; nothing: as they are. Blocks (q8_0, q6_k, q4_0) only in GGUF.
  std::optional<formats::GgufType> embedding;
  std::optional<formats::GgufType> head;
  /// Called between pieces of work; may throw to stop. fraction in [0, 1].
  std::function<void(double fraction)> on_progress;
};

/// Writes `out`: a folder that is not there or empty, or a .gguf file, as the target says. It appears when it is
/// complete. `backend` unpacks one tensor at a time; what is held besides is small.
/// Throws Error(unsupported) where the target cannot hold the model, saying which can; Error(io).
void convert(StoredModel& stored, backend::Backend& backend, const std::filesystem::path& out,
             const Conversion& conversion);

// The two halves of convert().
void write_gguf_model(StoredModel& stored, backend::Backend& backend, const std::filesystem::path& out,
                      const Conversion& conversion);
void write_huggingface_model(StoredModel& stored, backend::Backend& backend, const std::filesystem::path& folder,
                             const Conversion& conversion);

[[nodiscard]] inline bool is_gguf_target(TernaryTarget target) { return target >= TernaryTarget::i2_s; }
[[nodiscard]] std::string_view name_of(TernaryTarget target);

/// Reads and unpacks a linear layer that is ternary.
[[nodiscard]] std::unique_ptr<backend::TernaryWeights> read_ternary(const StoredModel& stored,
                                                                    backend::Backend& backend,
                                                                    const model::TensorRule& rule, std::int64_t layer);
/// The scales of a linear layer alone: without unpacking, unless the weights have to be quantized for it. Without
/// values for a layer in full precision.
[[nodiscard]] backend::WeightScales read_scales(const StoredModel& stored, backend::Backend& backend,
                                                const model::TensorRule& rule, std::int64_t layer);

/// Scale of group `column / group` of a row; see backend::WeightScales.
[[nodiscard]] float scale_at(const backend::WeightScales& scales, std::int64_t rows, std::int64_t cols,
                             std::int64_t row, std::int64_t column);

}  // namespace bitnet::loading
