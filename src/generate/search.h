#pragma once
/// One prompt's way through a generation. The generator computes what all searches ask for in one pass.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "generate/generator.h"

namespace bitnet::generate {

/// What a search may do, and where it must end.
struct Limits {
  std::int64_t prompt_length;
  std::int64_t max_length;  ///< prompt and new tokens
  std::vector<std::int32_t> eos;
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

  /// Why a result of `length` ids, the prompt's included, ends with `last`; nothing when it goes on. `wanted`: the
  /// caller has not had enough.
  [[nodiscard]] std::optional<StopCause> end_of(std::int32_t last, std::size_t length, bool wanted,
                                                bool must_end) const {
    const auto& eos = limits_.eos;
    if (std::find(eos.begin(), eos.end(), last) != eos.end()) return StopCause::eos;
    if (!wanted) return StopCause::caller;
    if (static_cast<std::int64_t>(length) >= limits_.max_length) return StopCause::length;
    if (must_end) return StopCause::caller;
    return std::nullopt;
  }
  /// Shows a new token to the caller; whether there may be more.
  [[nodiscard]] bool show(std::int32_t result, std::int32_t id) const {
    return !request_.on_token || request_.on_token(result, id);
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
