/// Contrastive search (Su et al. 2022, "A Contrastive Framework for Neural Text Generation"): among the likeliest
/// tokens the one that is likely and whose hidden state resembles none of the context's.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "generate/logits_processors.h"
#include "generate/search.h"
#include "generate/warpers.h"

namespace bitnet::generate {
namespace {

struct Choice {
  std::int32_t id;
  double probability;
  std::unique_ptr<Sequence> sequence;  // has seen the context, and this id once it is computed
};

class ContrastiveSearch final : public Search {
 public:
  ContrastiveSearch(Request request, std::int32_t index, const InferenceSettings& settings, Limits limits)
      : Search(std::move(request), index, settings, std::move(limits)),
        processors_(make_logits_processors(settings, limits_.prompt_length, limits_.max_length)),
        ids_(request_.prompt.begin(), request_.prompt.end()),
        done_(limits_.max_length <= limits_.prompt_length) {}

  [[nodiscard]] bool done() const override { return done_; }
  [[nodiscard]] bool wants_hidden() const override { return true; }

  void plan(std::vector<Step>& steps) override {
    static constexpr backend::TopRows kAll{};
    const std::span needed(&kAll, 1);
    if (choices_.empty()) steps.push_back(prompt_step(needed));
    for (const Choice& choice : choices_) {
      steps.push_back({choice.sequence.get(), index_, std::span(&choice.id, 1), needed});
    }
  }

  void advance(const Computed& computed, bool must_end) override {
    std::int64_t chosen = 0;
    if (choices_.empty()) {
      for (std::int64_t i = 0; i < computed.hidden.rows; ++i) add_to_context(computed.hidden, i);
    } else {
      chosen = best_choice(computed.hidden);
      add_to_context(computed.hidden, chosen);
      Choice& choice = choices_[static_cast<std::size_t>(chosen)];
      request_.sequence = std::move(choice.sequence);
      ids_.push_back(choice.id);
      choices_.clear();
      const bool wanted = show(0, ids_.back());
      if (const auto cause = end_of(ids_.back(), ids_.size(), wanted, must_end)) {
        done_ = true;
        cause_ = *cause;
        request_.sequence->truncate(static_cast<std::int64_t>(ids_.size()) - 1);
        return;
      }
    }
    if (must_end) {
      done_ = true;
      cause_ = StopCause::caller;
      return;
    }
    choose({computed.logits.row(chosen), static_cast<std::size_t>(computed.logits.cols)});
  }

  [[nodiscard]] std::vector<Outcome> outcomes() override {
    std::vector<Outcome> outcomes(1);
    outcomes[0].ids.assign(ids_.begin() + limits_.prompt_length, ids_.end());
    outcomes[0].cause = cause_;
    outcomes[0].sequence = std::move(request_.sequence);
    return outcomes;
  }

 private:
  /// The top_k likeliest next tokens, each with a fork of the sequence.
  void choose(std::span<float> logits) {
    for (const auto& processor : processors_) processor->process(ids_, logits);
    if (settings_.output_scores) scores_.emplace_back(logits.begin(), logits.end());
    order_.resize(logits.size());
    std::iota(order_.begin(), order_.end(), 0);
    const auto count = std::min(logits.size(), static_cast<std::size_t>(settings_.top_k));
    const auto logit_of = [&](std::int32_t id) {
      const float logit = logits[static_cast<std::size_t>(id)];
      return logit > kNever ? logit : kNever;  // NaN has no place in an order
    };
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count), order_.end(),
                      [&](std::int32_t a, std::int32_t b) {
                        return logit_of(a) > logit_of(b) || (logit_of(a) == logit_of(b) && a < b);
                      });
    LogitNormalization().process({}, logits);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int32_t id = order_[i];
      // What a processor has forbidden is no choice, however new it would be.
      if (i > 0 && !(logit_of(id) > kNever)) break;
      choices_.push_back({id, std::exp(static_cast<double>(logit_of(id))), request_.sequence->fork()});
    }
    request_.sequence.reset();
  }

  void add_to_context(MatrixView<const float> hidden, std::int64_t row) {
    const std::vector<double> unit = normalized(hidden, row);
    context_.insert(context_.end(), unit.begin(), unit.end());
  }

  /// The row divided by its length; zeros stay.
  static std::vector<double> normalized(MatrixView<const float> hidden, std::int64_t row) {
    std::vector<double> unit(hidden.row(row), hidden.row(row) + hidden.cols);
    const double norm = std::sqrt(std::inner_product(unit.begin(), unit.end(), unit.begin(), 0.0));
    if (norm > 0) {
      for (double& value : unit) value /= norm;
    }
    return unit;
  }

  [[nodiscard]] std::int64_t best_choice(MatrixView<const float> hidden) const {
    const auto alpha = static_cast<double>(settings_.penalty_alpha);
    std::size_t best = 0;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      const std::vector<double> unit = normalized(hidden, static_cast<std::int64_t>(i));
      double similarity = -1.0;
      for (auto at = context_.begin(); at != context_.end(); at += static_cast<std::ptrdiff_t>(unit.size())) {
        similarity = std::max(similarity, std::inner_product(unit.begin(), unit.end(), at, 0.0));
      }
      const double score = (1.0 - alpha) * choices_[i].probability - alpha * similarity;
      if (score > most) {
        most = score;
        best = i;
      }
    }
    return static_cast<std::int64_t>(best);
  }

  const LogitsProcessors processors_;
  std::vector<std::int32_t> ids_;    // prompt and output
  std::vector<double> context_;      // [ids, hidden], normalized hidden states of ids_
  std::vector<Choice> choices_;      // the next token is one of these; request_.sequence is empty then
  std::vector<std::int32_t> order_;  // [vocab]
  StopCause cause_ = StopCause::length;
  bool done_;
};

}  // namespace

std::unique_ptr<Search> make_contrastive_search(Request request, std::int32_t index, const InferenceSettings& settings,
                                                Limits limits) {
  return std::make_unique<ContrastiveSearch>(std::move(request), index, settings, std::move(limits));
}

}  // namespace bitnet::generate
