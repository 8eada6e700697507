#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/log.h"
#include "bitnet/model_config.h"
#include "loading/stored_model.h"
#include "model/weights.h"

namespace bitnet::loading {

struct LoadedModel {
  std::unique_ptr<StoredModel> stored;
  model::ModelWeights weights;
};

struct LoadHooks {
  std::function<void(double fraction)> on_progress;
  LogSink log;
  StoredModel* dense_from = nullptr;  ///< embedding and head come from this one, if its shapes are the same
};

/// Opens a checkpoint (open_model()), binds every tensor through model/tensor_names, checks it and hands it to the
/// backend.
/// Throws Error naming the file, the tensor or field, what was found and what was expected.
[[nodiscard]] LoadedModel load_checkpoint(const std::filesystem::path& path, backend::Backend& backend,
                                          const LoadHooks& hooks);

struct Randomness {
  std::uint64_t seed;
  /// The first so many elements of each embedding are the same, the gate's weights for them -1: gates are lower.
  std::int64_t gate_bias = 0;
};

/// Weights of the right shapes with random ternary values, unit norms and small random embeddings.
[[nodiscard]] model::ModelWeights random_weights(const ModelConfig& config, const Randomness& randomness,
                                                 backend::Backend& backend, const LoadHooks& hooks);

}  // namespace bitnet::loading
