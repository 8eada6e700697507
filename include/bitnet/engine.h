#pragma once
/// A loaded model, ready to answer.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bitnet/chat.h"
#include "bitnet/model_config.h"
#include "bitnet/settings.h"
#include "bitnet/tokenizer.h"

namespace bitnet {

/// How keys and values are kept between tokens: as floats, or as integers of 8 or 4 bits with one float32 scale for
/// each token, head and layer. docs/kv-cache.md has the memory of each, and how far it moves logits.
enum class KvCacheType { f32, f16, q8, q4 };

struct EngineOptions {
  int threads = 2;  ///< threads that compute, the caller's included
  KvCacheType kv_cache = KvCacheType::f32;
  /// Keeps a four-bit copy of the head, a quarter of its memory in bf16, that tells which of its rows have to be read
  /// for a token. The answers are the same to the bit. docs/formats/nibble-rows.md.
  bool head_copy = true;
  /// Keeps a copy of the down projections by input where the feed-forward's activation is relu2, which makes most of
  /// their inputs zero: a token that is decoded alone then does not read the weights of those. Only with up to six
  /// threads, more would lose. The answers are the same to the bit. docs/adr/0002-reading-less.md.
  bool down_copy = true;
  /// Kernel table by name ("scalar", "avx2" …). Empty: the environment's BITNET_KERNELS, then the best of the machine.
  std::string kernels;
  /// Takes embedding and head from this checkpoint, of the same shapes, in place of the model's own: to see what
  /// another precision of theirs does. Empty: no.
  std::filesystem::path dense_from;
  /// Called from the loading thread while weights are prepared; fraction in [0, 1].
  std::function<void(double fraction)> on_progress;
  /// What the library noticed while loading, a sentence each.
  std::function<void(const std::string& message)> log;
};

struct TensorInfo {
  std::string name;   ///< as in the checkpoint
  std::string dtype;  ///< "U8", "BF16", "I2_S" …
  std::vector<std::int64_t> shape;
  std::int64_t bytes = 0;  ///< on disk
};

struct ModelInfo {
  std::string architecture;
  std::int64_t parameters = 0;          ///< all weights, embeddings and norms; a tied head counts once
  std::int64_t ternary_parameters = 0;  ///< weights in {-1, 0, +1}
  std::int64_t weight_bytes = 0;        ///< memory of the weights in use, embedding and head (mapped) included
  /// Weights read to decode one token, without the rows that head_copy points to; down_copy leaves some of them out.
  std::int64_t bytes_per_token = 0;
  std::int64_t head_row_bytes = 0;      ///< read for each of Generation::head_rows, if head_copy points to them; else 0
  std::int64_t kv_bytes_per_token = 0;  ///< cache memory that one token of context takes
  std::string kernels;                  ///< the active kernel table
  std::string cpu_features;
  int threads = 0;
  std::vector<TensorInfo> tensors;
};

class EngineState;  // the composition root, engine/engine_state.h

/// A handle: copies share the model. Const members may be called from several threads at once; computing itself is
/// serialised inside (one forward pass at a time). A thread that calls needs 1 MiB of stack.
class Engine {
 public:
  /// Loads a Hugging Face folder (config.json, *.safetensors, and, where present, tokenizer.json, chat template and
  /// generation_config.json), the folder of the given .safetensors file, or a GGUF file. Every tensor is bound and
  /// checked before this returns. Throws Error.
  /// Embedding and head are not copied: the files stay mapped as long as the engine lives. They may be deleted,
  /// or replaced by renaming another file to their name; one that is written over changes the model, and one that is
  /// shortened in place ends the process with SIGBUS, as with every memory map.
  static Engine load(const std::filesystem::path& path, const EngineOptions& options = {});

  /// A model of the given shape with random ternary weights and no tokenizer, for measurements. The first `gate_bias`
  /// elements of every embedding are the same, and the gates' weights for them -1: so many units lower, gates that are
  /// a squared ReLU leave more zeros, as those of trained models do. At most hidden_size.
  static Engine synthetic(const ModelConfig& config, std::uint64_t seed, const EngineOptions& options = {},
                          std::int64_t gate_bias = 0);

  [[nodiscard]] const ModelConfig& config() const;
  [[nodiscard]] ModelInfo info() const;
  /// Throws Error(not_found) when the checkpoint has no tokenizer.
  [[nodiscard]] const Tokenizer& tokenizer() const;
  [[nodiscard]] bool has_tokenizer() const;
  [[nodiscard]] const ChatTemplate& chat_template() const;
  /// InferenceSettings' defaults overridden by the checkpoint's generation_config.json.
  [[nodiscard]] const InferenceSettings& default_settings() const;

  explicit Engine(std::shared_ptr<EngineState> state) : state_(std::move(state)) {}
  /// For the library's own rooms.
  [[nodiscard]] EngineState& state() const { return *state_; }

 private:
  std::shared_ptr<EngineState> state_;
};

}  // namespace bitnet
