#pragma once
/// Checkpoints from one form to another.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace bitnet {

struct ConvertOptions {
  /// How ternary weights are written: "packed" or "bf16" (dequantized) in a Hugging Face folder, "i2_s", "tq1_0",
  /// "tq2_0" or "q2_0" in a GGUF file. Empty: "i2_s" when the output is called *.gguf, else "packed".
  std::string weights;
  /// Element type of embedding and head: "f32", "f16", "bf16", and in a GGUF file "q8_0", "q6_k", "q4_0". Empty: as
  /// they are. A tied head has the embedding's.
  std::string embedding;
  std::string head;
  int threads = 2;
  /// Called between pieces of work, fraction in [0, 1]; may throw to stop.
  std::function<void(double fraction)> on_progress;
  /// What was noticed on the way, a sentence each.
  std::function<void(const std::string& message)> log;
};

/// Reads a checkpoint in any form that Engine::load() reads and writes it to `output`: a folder that is not there or
/// empty, or a .gguf file. Ternary weights and scales stay what they are, so that the model's answers do, to the bit,
/// unless embedding or head get another type; the same input gives the same bytes. The output appears when it is
/// complete; at most one tensor is held in memory. Throws Error(unsupported) where the form cannot hold the model.
void convert(const std::filesystem::path& input, const std::filesystem::path& output,
             const ConvertOptions& options = {});

struct QuantizeOptions {
  ConvertOptions output;
  /// What one weight scale belongs to: "tensor", "row", "group-64" or "group-128" (inputs).
  std::string granularity = "tensor";
};

/// What became of one linear layer.
struct QuantizedLayer {
  std::string name;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  double error = 0;  ///< |W - Ŵ| / |W| in Frobenius norms
  double zeros = 0;  ///< share of weights that became 0
  float scale = 0;   ///< γ, the mean where there are several
  std::int64_t scales = 0;
};

/// Makes a ternary checkpoint of a float one by BitNet b1.58's absmean quantization, γ = max(mean|W|, 1e-5),
/// T = clamp(round(W / γ), -1, 1), and writes it like convert(). γ of groups is rounded to half precision, as block
/// types hold it. Layers that are ternary already and those of
/// modules_to_not_convert stay; so a ternary checkpoint may come in to get another embedding or head.
/// Returns the layers that were quantized: all q_proj, then all k_proj and so on.
[[nodiscard]] std::vector<QuantizedLayer> quantize(const std::filesystem::path& input,
                                                   const std::filesystem::path& output,
                                                   const QuantizeOptions& options = {});

}  // namespace bitnet
