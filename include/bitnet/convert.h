#pragma once
/// Checkpoints from one form to another.

#include <filesystem>
#include <functional>
#include <string>

namespace bitnet {

struct ConvertOptions {
  /// How ternary weights are written: "packed" or "bf16" (dequantized) in a Hugging Face folder, "i2_s", "tq1_0",
  /// "tq2_0" or "q2_0" in a GGUF file. Empty: "i2_s" when the output is called *.gguf, else "packed".
  std::string weights;
  /// Element type of embedding and head: "f32", "f16", "bf16", and in a GGUF file "q8_0", "q6_k", "q4_0". Empty: as they
  /// are. A tied head has the embedding's.
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

}  // namespace bitnet
