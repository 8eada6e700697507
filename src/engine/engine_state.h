#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "backend/cpu/cpu_backend.h"
#include "base/thread_pool.h"
#include "bitnet/engine.h"
#include "model/transformer.h"

namespace bitnet {

/// Everything that one loaded model owns. The only place that names a concrete backend.
class EngineState {
 public:
  EngineState(const kernels::KernelTable& table, const EngineOptions& options)
      : kernels_name(table.name), pool(options.threads), backend(table, pool) {}

  const char* kernels_name;
  ThreadPool pool;
  backend::CpuBackend backend;
  std::optional<model::Transformer> transformer;
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  InferenceSettings settings;
  std::vector<TensorInfo> tensors;
  std::filesystem::path path;    // of what was loaded
  std::filesystem::path folder;  // where its companions lie; empty when they do not lie as files

  /// Held while computing: one forward pass at a time.
  std::mutex computing;
};

}  // namespace bitnet
