#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bitnet/session.h"
#include "engine/paged_model.h"
#include "engine/text_stream.h"
#include "generate/generator.h"

namespace bitnet {

/// Prompts that are continued together: one call of generate::generate(), with text.
class GenerationRun {
 public:
  /// `settings` are validated and complete. `first_result`: the place of the first result in what `on_text` is told.
  GenerationRun(EngineState& state, std::span<const std::vector<std::int32_t>> prompts,
                const InferenceSettings& settings, const OnResultText& on_text, std::size_t first_result);

  /// Where `kept` shares a prompt's beginning, that part is not computed again. A single prompt takes it over.
  [[nodiscard]] std::vector<Generation> run(PagedSequence& kept);
  [[nodiscard]] bool cancelled() const { return cancelled_; }
  /// After run() of a single result: the sequence with all ids but the last; null when there is none.
  [[nodiscard]] std::unique_ptr<PagedSequence> take_sequence() { return std::move(sequence_); }

 private:
  struct Row {
    std::optional<TextStream> stream;
    std::string text;
  };

  [[nodiscard]] generate::Request request(std::size_t prompt, const PagedSequence& kept);
  [[nodiscard]] bool go_on();
  void emit(std::size_t result, const std::string& text);
  void push(std::size_t result, std::int32_t id);
  [[nodiscard]] bool ends_with_stop_string(std::span<const std::int32_t> ids, std::size_t prompt_length) const;
  void finish(std::size_t prompt, generate::Result& result);
  void fill_details(std::size_t prompt, generate::Result& result);

  EngineState& state_;
  std::span<const std::vector<std::int32_t>> prompts_;
  const InferenceSettings& settings_;
  const OnResultText& on_text_;
  const std::size_t first_result_;
  const std::size_t per_prompt_;  // results
  bool cancelled_ = false;
  bool out_of_time_ = false;
  std::vector<Row> rows_;                   // [results]
  std::vector<Generation> generations_;     // [results]
  std::vector<GenerationDetails> details_;  // [prompts]
  PagedModel model_;
  std::unique_ptr<PagedSequence> sequence_;
};

}  // namespace bitnet
