/// Beam search and its relatives: sampled beams, and groups of beams that avoid each other (Vijayakumar et al. 2016).

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <tuple>

#include "base/fail.h"
#include "base/rng.h"
#include "generate/search.h"
#include "generate/token_constraints.h"
#include "generate/warpers.h"

namespace bitnet::generate {
namespace {

// What the reference adds to scores that must not win, while they can still be told apart.
constexpr float kHopeless = -1e9F;

/// A hypothesis that still grows.
struct Beam {
  std::vector<std::int32_t> ids;           // prompt and output
  std::vector<std::int32_t> beam_indices;  // for each new token the beam that it continued
  float score = 0.0F;                      // Σ log p
  std::unique_ptr<Sequence> sequence;      // has seen all ids but the last
};

/// One way to continue one of a group's beams.
struct Continuation {
  float score;        // Σ log p
  std::int32_t beam;  // within the group
  std::int32_t token;
  double rank;  // continuations are taken in falling order of it
};

/// Beams that compete with each other: all of them, or one group of a diverse search.
struct Group {
  std::vector<Beam> beams;
  std::vector<Outcome> finished;  // the best num_beams / num_beam_groups so far, the best first
  bool done = false;
};

class BeamSearch final : public Search {
 public:
  BeamSearch(Request request, std::int32_t index, const InferenceSettings& settings, Limits limits)
      : Search(std::move(request), index, settings, std::move(limits)),
        processors_(make_logits_processors(settings, limits_.prompt_length, limits_.max_length)),
        group_size_(static_cast<std::size_t>(settings.num_beams / settings.num_beam_groups)),
        groups_(static_cast<std::size_t>(settings.num_beam_groups)),
        rng_(settings.seed) {
    for (Group& group : groups_) {
      group.beams.resize(group_size_);
      for (Beam& beam : group.beams) {
        beam.ids.assign(request_.prompt.begin(), request_.prompt.end());
        // All beams are the prompt; only the first may be continued, or they would stay the same.
        beam.score = &beam == &group.beams.front() ? 0.0F : kHopeless;
      }
      group.done = limits_.max_length <= limits_.prompt_length;
    }
  }

  [[nodiscard]] bool done() const override {
    return std::all_of(groups_.begin(), groups_.end(), [](const Group& group) { return group.done; });
  }

  void plan(std::vector<Step>& steps) override {
    static constexpr backend::TopRows kAll{};
    const std::span needed(&kAll, 1);
    if (!has_prompt_) {
      steps.push_back(prompt_step(needed));
      return;
    }
    for (const Group& group : groups_) {
      if (group.done) continue;
      for (const Beam& beam : group.beams) {
        steps.push_back({beam.sequence.get(), index_, std::span(beam.ids).last(1), needed});
      }
    }
  }

  void advance(const Computed& computed, bool must_end) override {
    if (settings_.output_scores) scores_.emplace_back();
    std::vector<std::int32_t> taken;  // tokens that earlier groups chose in this step
    std::int64_t row = 0;
    for (Group& group : groups_) {
      if (group.done) continue;
      const std::int64_t rows = has_prompt_ ? static_cast<std::int64_t>(group_size_) : 1;
      process(group, {computed.logits.row(row), rows, computed.logits.cols, computed.logits.stride}, taken);
      if (has_prompt_) row += rows;  // else all groups look at the prompt's
      step(group, must_end);
      for (const Beam& beam : group.beams) taken.push_back(beam.ids.back());
    }
    request_.sequence.reset();
    has_prompt_ = true;
  }

  [[nodiscard]] std::vector<Outcome> outcomes() override {
    std::vector<Outcome> all;
    for (Group& group : groups_) std::move(group.finished.begin(), group.finished.end(), std::back_inserter(all));
    std::stable_sort(all.begin(), all.end(), [](const Outcome& a, const Outcome& b) { return a.score > b.score; });
    all.resize(static_cast<std::size_t>(settings_.num_return_sequences));
    return all;
  }

 private:
  /// From logits to log_probs_, [rows, vocab]: what a token would add to its beam's score.
  void process(const Group& group, MatrixView<const float> logits, std::span<const std::int32_t> taken) {
    log_probs_.resize(static_cast<std::size_t>(logits.rows * logits.cols));
    vocab_ = static_cast<std::size_t>(logits.cols);
    for (std::int64_t i = 0; i < logits.rows; ++i) {
      const auto scores = std::span(log_probs_).subspan(static_cast<std::size_t>(i) * vocab_, vocab_);
      std::copy_n(logits.row(i), logits.cols, scores.begin());
      LogitNormalization().process({}, scores);
      hamming_diversity(taken, settings_.diversity_penalty, scores);
      const Beam& beam = group.beams[static_cast<std::size_t>(i)];
      for (const auto& processor : processors_) processor->process(beam.ids, scores);
    }
    if (settings_.output_scores) scores_.back().insert(scores_.back().end(), log_probs_.begin(), log_probs_.end());
  }

  /// The best continuations of a group's beams, or drawn ones: enough for all beams to go on when as many as there are
  /// EOS tokens end each of them.
  std::vector<Continuation> continuations(const Group& group) {
    const std::size_t wanted = std::max<std::size_t>(2, 1 + limits_.eos.size()) * group_size_;
    const auto better = [](const Continuation& a, const Continuation& b) { return a.rank > b.rank; };
    std::vector<Continuation> best;  // a heap, the worst at its front
    for (std::size_t b = 0; b < group_size_; ++b) {
      const float* row = log_probs_.data() + (has_prompt_ ? b * vocab_ : 0);
      for (std::size_t id = 0; id < vocab_; ++id) {
        const float score = row[id] + group.beams[b].score;
        if (std::isnan(score)) continue;
        Continuation continuation{score, static_cast<std::int32_t>(b), static_cast<std::int32_t>(id), score};
        // The largest of log p + Gumbel noise are draws without replacement (Yellott 1977).
        if (settings_.do_sample && std::isfinite(score)) continuation.rank += -std::log(-std::log(rng_.uniform()));
        if (best.size() == wanted) {
          if (!better(continuation, best.front())) continue;
          std::pop_heap(best.begin(), best.end(), better);
          best.pop_back();
        }
        best.push_back(continuation);
        std::push_heap(best.begin(), best.end(), better);
      }
    }
    if (best.size() < group_size_) {
      fail(ErrorKind::invalid_argument, "no token is left to choose: every logit is NaN; remove_invalid_values helps");
    }
    // Equal ones in the order of beam and id.
    std::sort(best.begin(), best.end(), [](const Continuation& a, const Continuation& b) {
      return std::tie(b.rank, a.beam, a.token) < std::tie(a.rank, b.beam, b.token);
    });
    return best;
  }

  [[nodiscard]] float final_score(float score, std::int64_t new_tokens) const {
    return score / static_cast<float>(std::pow(static_cast<double>(new_tokens), settings_.length_penalty));
  }

  /// One more token for each of the group's beams.
  void step(Group& group, bool must_end) {
    std::vector<Continuation> next = continuations(group);
    std::size_t open = 0;
    for (std::size_t i = 0; i < next.size(); ++i) {
      Continuation& continuation = next[i];
      const Beam& parent = group.beams[static_cast<std::size_t>(continuation.beam)];
      scratch_.assign(parent.ids.begin(), parent.ids.end());
      scratch_.push_back(continuation.token);
      const bool wanted = !request_.is_finished || !request_.is_finished(scratch_);
      const std::optional<StopCause> cause = end_of(continuation.token, scratch_.size(), wanted, must_end);
      if (!cause) {
        ++open;
        continue;
      }
      // Only what is among the best may finish; the others were there so that enough beams go on.
      if (i < group_size_) finish(group, parent, continuation, *cause);
      continuation.score += kHopeless;
    }
    std::stable_sort(next.begin(), next.end(),
                     [](const Continuation& a, const Continuation& b) { return a.score > b.score; });
    next.resize(group_size_);
    continue_with(group, next);
    group.done = open == 0 || (group.finished.size() == group_size_ && !may_improve(group));
    if (group.done) {
      for (Beam& beam : group.beams) beam.sequence.reset();
    }
  }

  void finish(Group& group, const Beam& parent, const Continuation& continuation, StopCause cause) {
    Outcome outcome;
    outcome.ids.assign(scratch_.begin() + limits_.prompt_length, scratch_.end());
    outcome.cause = cause;
    outcome.score = final_score(continuation.score, static_cast<std::int64_t>(outcome.ids.size()));
    outcome.beam_indices = parent.beam_indices;
    outcome.beam_indices.push_back(index_of(group, continuation));
    const auto worse = std::find_if(group.finished.begin(), group.finished.end(),
                                    [&](const Outcome& other) { return other.score < outcome.score; });
    group.finished.insert(worse, std::move(outcome));
    if (group.finished.size() > group_size_) group.finished.pop_back();
  }

  /// Whether the best open beam could still beat the worst finished one, as early_stopping judges it.
  [[nodiscard]] bool may_improve(const Group& group) const {
    if (settings_.early_stopping == EarlyStopping::yes) return false;
    const Beam& best = group.beams.front();
    const bool longest = settings_.early_stopping == EarlyStopping::never && settings_.length_penalty > 0.0F;
    const std::int64_t length = longest ? limits_.max_length : static_cast<std::int64_t>(best.ids.size());
    return final_score(best.score, length - limits_.prompt_length) > group.finished.back().score;
  }

  [[nodiscard]] std::int32_t index_of(const Group& group, const Continuation& continuation) const {
    return static_cast<std::int32_t>(static_cast<std::size_t>(&group - groups_.data()) * group_size_) +
           continuation.beam;
  }

  /// Replaces the beams. A beam's last child takes its sequence over, the others fork it.
  void continue_with(Group& group, std::span<const Continuation> next) {
    std::vector<std::size_t> children(group_size_, 0);
    for (const Continuation& continuation : next) ++children[static_cast<std::size_t>(continuation.beam)];
    std::vector<Beam> beams;
    for (const Continuation& continuation : next) {
      const auto b = static_cast<std::size_t>(continuation.beam);
      Beam& parent = group.beams[b];
      Beam& beam = beams.emplace_back();
      if (!has_prompt_) {
        beam.sequence = request_.sequence->fork();
      } else if (children[b] == 1) {
        beam.sequence = std::move(parent.sequence);
      } else {
        beam.sequence = parent.sequence->fork();
      }
      if (--children[b] == 0) {
        beam.ids = std::move(parent.ids);
        beam.beam_indices = std::move(parent.beam_indices);
      } else {
        beam.ids = parent.ids;
        beam.beam_indices = parent.beam_indices;
      }
      beam.ids.push_back(continuation.token);
      beam.beam_indices.push_back(index_of(group, continuation));
      beam.score = continuation.score;
    }
    group.beams = std::move(beams);
  }

  const LogitsProcessors processors_;
  const std::size_t group_size_;
  std::vector<Group> groups_;
  Rng rng_;
  bool has_prompt_ = false;  // the model has seen the prompt, and every beam has a sequence
  std::size_t vocab_ = 0;
  std::vector<float> log_probs_;       // [rows, vocab] of the group that is looked at
  std::vector<std::int32_t> scratch_;  // ids of a continuation
};

}  // namespace

std::unique_ptr<Search> make_beam_search(Request request, std::int32_t index, const InferenceSettings& settings,
                                         Limits limits) {
  return std::make_unique<BeamSearch>(std::move(request), index, settings, std::move(limits));
}

}  // namespace bitnet::generate
