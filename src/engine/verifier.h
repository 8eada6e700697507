#pragma once

#include <algorithm>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/difference.h"
#include "engine/engine_state.h"
#include "engine/recorder.h"
#include "engine/reference_file.h"
#include "engine/verify.h"
#include "kernels/kernel_table.h"

namespace bitnet {

/// One model against one reference file; verify() in full. Holds the engine's lock while it lives.
class Verifier {
 public:
  Verifier(const Engine& engine, const ReferenceFile& reference);
  [[nodiscard]] VerifyReport run();

 private:
  using Ids = std::vector<std::int32_t>;
  using Rows = Recorder::Rows;

  /// Rows of logits, [positions, vocab].
  struct Logits {
    std::vector<float> values;
    std::size_t vocab;

    [[nodiscard]] std::span<const float> row(std::size_t position) const {
      return std::span(values).subspan(position * vocab, vocab);
    }
  };

  // verify.cpp
  Logits forward(model::KvSequence& sequence, std::span<const std::int32_t> ids, Recorder* recorder = nullptr);
  void add(Comparison comparison) { report_.comparisons.push_back(std::move(comparison)); }
  void add_exact(const Difference& difference, const std::string& name, double allowed);
  void add_scaled(const Difference& difference, const std::string& name, bool may_have_flipped);

  // verify_prompts.cpp
  void prompts();
  /// How many int8 activations of our own run differ from the reference's run: said, not judged.
  void int8_inputs(const std::string& name, const std::string& module, const Recorder& recorder);
  /// What the recorder saw of a module's input. `tensor` is the reference's, for the error.
  [[nodiscard]] const Rows& inputs_of(const std::string& tensor, const std::string& module,
                                      const Recorder& recorder) const;

  // verify_linears.cpp
  [[nodiscard]] std::vector<std::string> linear_modules() const;
  void linears();
  /// Int8 activations as the active kernel table rounds them.
  [[nodiscard]] std::vector<std::int8_t> kernel_int8(std::span<const float> x) const;
  void io_pass();

  // verify_passes.cpp
  /// A tensor [prompts, positions, width] against what was recorded of each prompt.
  void compare_rows(const std::string& name, const std::vector<const Rows*>& prompts, bool may_have_flipped);
  /// Logits [prompts, positions from `first` to `end`, vocab].
  void compare_logits(const std::string& name, const std::vector<Logits>& prompts, std::int64_t first, std::int64_t end,
                      bool may_have_flipped);
  void full_pass();
  /// Probabilities [prompts, heads, queries, keys]; ours come query by query, head by head.
  void attention(const std::string& name, const std::vector<const Rows*>& prompts);
  /// Keys and values [prompts, kv heads, positions, head_dim].
  void cache(std::int64_t layer, const std::vector<model::KvSequence>& sequences);
  /// [1, positions, head_dim]: the reference repeats the angles for both halves of a head.
  void rope();
  void cached_passes();
  /// The logits of one sequence cut at `ends`.
  [[nodiscard]] Logits in_chunks(const Ids& ids, const std::vector<std::int64_t>& ends);
  void add_own(const std::string& name, const std::vector<Logits>& ours);
  void left_padded();

  std::lock_guard<std::mutex> lock_;
  model::Transformer& model_;
  const ModelConfig& config_;
  const ReferenceFile& reference_;
  const kernels::KernelTable& kernels_;
  VerifyReport report_;
  std::vector<Ids> ids_;        // of the full pass
  std::vector<Logits> logits_;  // ours, one for each prompt of ids_
};

/// How many values differ; both have the same length.
[[nodiscard]] std::int64_t count_differing(std::span<const std::int8_t> a, std::span<const std::int8_t> b);
/// Int8 activations of one token as the reference rounds them.
[[nodiscard]] std::vector<std::int8_t> int8_of(std::span<const float> x);

}  // namespace bitnet
