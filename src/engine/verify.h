#pragma once
/// Compares a model with numbers that a reference implementation computed for it, or with another form of itself.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "bitnet/engine.h"

namespace bitnet {

/// How close is equal. Rounding activations to int8 makes the network chaotic: one int8 value that flips because of a
/// last bit moves the logits of a real model by tenths. So each linear layer, given the reference's input, is compared
/// tightly, and what went through the network tightly as long as nothing flipped. docs/cli.md gives the reasons.
struct Tolerance {
  /// One linear layer: of the largest output of its row.
  static constexpr double kLinear = 1e-6;
  /// Cosines, sines and anything else that no int8 rounding touches.
  static constexpr double kExact = 1e-5;
  /// Through the network while no int8 value flipped; for hidden states and caches times their root mean square
  /// where that is more than 1.
  static constexpr double kTight = 1e-3;
  /// Through the network otherwise: largest and mean.
  static constexpr double kFlipped = 0.5;
  static constexpr double kFlippedMean = 0.03;
};

/// One tensor of the reference against ours.
struct Comparison {
  static constexpr double kNotJudged = std::numeric_limits<double>::infinity();

  std::string name;  ///< as in the reference file
  std::int64_t elements = 0;
  double largest = 0;  ///< difference; infinite where one side is not a number
  double mean = 0;
  double largest_allowed = kNotJudged;
  double mean_allowed = kNotJudged;
  std::int64_t int8_flips = 0;  ///< int8 activations that differ, where the reference says enough to know
  std::int64_t flips_allowed = std::numeric_limits<std::int64_t>::max();
  /// Positions whose likeliest token differs although the reference's gap to its second exceeds the difference there.
  std::int64_t argmax_changes = 0;

  [[nodiscard]] bool ok() const {
    return largest <= largest_allowed && mean <= mean_allowed && int8_flips <= flips_allowed && argmax_changes == 0;
  }
};

struct VerifyReport {
  std::vector<Comparison> comparisons;

  [[nodiscard]] bool ok() const;
};

/// Runs the model on the prompts of a reference file and compares all that the file holds. Two layouts are known:
/// prompts with logits (`promptN.input_ids`, `RUN.promptN.logits`, `RUN.promptN.int8_in.MODULE`), and the dump of a
/// forward pass (`input_ids`, `logits`, `hidden_states.N`, `attentions.N`, `rope.*`, `io.*`, `kv.*`, `leftpad.*`).
/// Of several runs, one in float64 alone is judged; runs in bf16 never are.
/// One pass, chunks and single steps of our own must agree to the bit.
/// Throws Error(corrupt) for tensors that do not fit the model, Error(not_found) when the file has none of the above.
[[nodiscard]] VerifyReport verify(const Engine& engine, const std::filesystem::path& reference);

/// Two forms of one model (a folder and a GGUF file): every tensor, and the logits of some tokens. Ternary weights must
/// be the same, scales within the rounding of bf16; where all tensors are equal to the bit, so must the logits be.
/// Throws Error(invalid_argument) when the shapes show that these are two models. The engines must be different ones.
[[nodiscard]] VerifyReport compare_models(const Engine& first, const Engine& second);

}  // namespace bitnet
