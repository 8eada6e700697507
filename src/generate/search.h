#pragma once
/// One prompt's way through a generation. The generator computes what all searches ask for in one pass.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "generate/generator.h"

namespace bitnet::generate {

/// What a search may do, and where it must end.
struct Limits {
  std::int64_t prompt_length;
  std::int64_t max_length;  ///< prompt and new tokens
  std::vector<std::int32_t> eos;

  [[nodiscard]] bool is_eos(std::int32_t id) const { return std::find(eos.begin(), eos.end(), id) != eos.end(); }
};

class Search {
 public:
  Search(Request request, std::int32_t index, const InferenceSettings& settings, Limits limits)
      : request_(std::move(request)), index_(index), settings_(settings), limits_(std::move(limits)) {}
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  virtual ~Search() = default;

  [[nodiscard]] virtual bool done() const = 0;
  /// Appends what has to be computed next. The steps point into the search and stay valid until advance().
  virtual void plan(std::vector<Step>& steps) = 0;
  /// Takes what was computed for its steps, in their order. `must_end`: nothing will be computed after it.
  virtual void advance(const Computed& computed, bool must_end) = 0;
  /// At the end.
  [[nodiscard]] virtual std::vector<Outcome> outcomes() = 0;
  [[nodiscard]] virtual bool wants_hidden() const { return false; }
  [[nodiscard]] std::vector<std::vector<float>> take_scores() { return std::move(scores_); }

 protected:
  /// The first step: what the model has not seen of the prompt, with the logits of its last id.
  [[nodiscard]] Step prompt_step(std::span<const backend::TopRows> needed) const {
    const auto fresh = request_.prompt.subspan(static_cast<std::size_t>(request_.seen));
    return {request_.sequence.get(), index_, fresh, needed};
  }

  Request request_;
  const std::int32_t index_;
  const InferenceSettings& settings_;
  const Limits limits_;
  std::vector<std::vector<float>> scores_;  // [step][rows * vocab]
};

/// Greedy search and sampling, num_return_sequences times, with drafts from the context where settings ask for them.
[[nodiscard]] std::unique_ptr<Search> make_sampling(Request request, std::int32_t index,
                                                    const InferenceSettings& settings, Limits limits);
/// Beam search, beam sampling and diverse beam search.
[[nodiscard]] std::unique_ptr<Search> make_beam_search(Request request, std::int32_t index,
                                                       const InferenceSettings& settings, Limits limits);
/// Contrastive search.
[[nodiscard]] std::unique_ptr<Search> make_contrastive_search(Request request, std::int32_t index,
                                                              const InferenceSettings& settings, Limits limits);

}  // namespace bitnet::generate
