/// Greedy search and sampling.

#include <algorithm>
#include <limits>

#include "generate/logits_processors.h"
#include "generate/prompt_lookup.h"
#include "generate/search.h"
#include "generate/token_chooser.h"

namespace bitnet::generate {
namespace {

/// The seed of a prompt's first result is the user's; the others differ, but depend on nothing else.
std::uint64_t seed_of(std::uint64_t seed, std::uint64_t result) {
  return result == 0 ? seed : Rng(seed ^ (result * 0xd1342543de82ef95ULL)).next();
}

/// One result of the prompt.
struct Row {
  explicit Row(std::uint64_t seed) : sampler(seed) {}

  Sampler sampler;
  bool running = true;
  std::vector<std::int32_t> ids;         // prompt and output
  std::unique_ptr<Sequence> sequence;    // has seen all of them but the last
  std::vector<std::int32_t> input;       // of the step that is computed: the last id and guesses of the next ones
  std::vector<backend::TopRows> needed;  // [input.size()]
  std::vector<std::vector<std::int32_t>> lowered;  // [input.size()], what `needed` points to
  std::vector<std::vector<float>> scores;          // [new tokens][vocab], if asked for
  StopCause cause = StopCause::length;
};

class Sampling final : public Search {
 public:
  Sampling(Request request, std::int32_t index, const InferenceSettings& settings, Limits limits)
      : Search(std::move(request), index, settings, std::move(limits)),
        processors_(make_logits_processors(settings, limits_.prompt_length, limits_.max_length)) {
    for (std::int32_t i = 0; i < settings.num_return_sequences; ++i) {
      Row& row = rows_.emplace_back(seed_of(settings.seed, static_cast<std::uint64_t>(i)));
      row.ids.assign(request_.prompt.begin(), request_.prompt.end());
      row.running = limits_.max_length > limits_.prompt_length;
    }
  }

  [[nodiscard]] bool done() const override {
    return std::none_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.running; });
  }

  void plan(std::vector<Step>& steps) override {
    if (!has_prompt_) {
      Row& row = rows_.front();
      row.input.clear();
      need(row);
      steps.push_back(prompt_step(row.needed));
      return;
    }
    for (Row& row : rows_) {
      if (!row.running) continue;
      const auto left = limits_.max_length - static_cast<std::int64_t>(row.ids.size());
      const auto most = std::min<std::int64_t>(settings_.prompt_lookup_num_tokens, left - 1);
      const auto draft = look_up_draft(row.ids, settings_.max_matching_ngram_size, most);
      row.input.assign(draft.begin(), draft.end());
      need(row);
      row.input.insert(row.input.begin(), row.ids.back());
      steps.push_back({row.sequence.get(), index_, row.input, row.needed});
    }
  }

  void advance(const Computed& computed, bool must_end) override {
    if (!has_prompt_) {
      has_prompt_ = true;
      for (std::size_t i = 1; i < rows_.size(); ++i) rows_[i].sequence = request_.sequence->fork();
      rows_.front().sequence = std::move(request_.sequence);
      const std::vector<float> logits(computed.logits.data, computed.logits.data + computed.logits.cols);
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        if (i > 0) std::copy(logits.begin(), logits.end(), computed.logits.data);
        accept(i, computed.logits, must_end);
      }
      return;
    }
    MatrixView<float> rest = computed.logits;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!rows_[i].running) continue;
      const auto count = static_cast<std::int64_t>(rows_[i].needed.size());
      accept(i, rest.first_rows(count), must_end);
      rest.data += count * rest.stride;
      rest.rows -= count;
    }
  }

  [[nodiscard]] std::vector<Outcome> outcomes() override {
    if (!has_prompt_) rows_.front().sequence = std::move(request_.sequence);
    std::vector<Outcome> outcomes;
    for (Row& row : rows_) {
      Outcome& outcome = outcomes.emplace_back();
      outcome.ids.assign(row.ids.begin() + limits_.prompt_length, row.ids.end());
      outcome.cause = row.cause;
      outcome.sequence = std::move(row.sequence);
      // Results that have ended have zeros.
      for (std::size_t t = 0; t < row.scores.size(); ++t) {
        const std::size_t vocab = row.scores[t].size();
        if (t == scores_.size()) scores_.emplace_back(rows_.size() * vocab, 0.0F);
        std::copy(row.scores[t].begin(), row.scores[t].end(),
                  scores_[t].begin() + static_cast<std::ptrdiff_t>((outcomes.size() - 1) * vocab));
      }
    }
    return outcomes;
  }

 private:
  /// Says which logits decide about the token after `row.ids` and those after each of its guesses, `row.input`: the
  /// largest ones, when no setting looks at the others.
  void need(Row& row) {
    const std::size_t length = row.ids.size();
    const std::size_t count = row.input.size() + 1;
    row.ids.insert(row.ids.end(), row.input.begin(), row.input.end());
    row.needed.assign(count, {});
    row.lowered.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<std::int32_t>& lowered = row.lowered[i];
      lowered.clear();
      const auto ids = std::span(row.ids).first(length + i);
      const auto lowers = [&](const auto& processor) { return processor->only_lowers(ids, lowered); };
      if (settings_.output_scores || !std::all_of(processors_.begin(), processors_.end(), lowers)) continue;
      std::sort(lowered.begin(), lowered.end());
      lowered.erase(std::unique(lowered.begin(), lowered.end()), lowered.end());
      row.needed[i] = {settings_.do_sample ? settings_.top_k : 1, lowered};
    }
    row.ids.resize(length);
  }

  /// Chooses a token from each row of logits as long as the guesses were right. Every token costs one draw, so that
  /// guesses change nothing.
  void accept(std::size_t index, MatrixView<float> logits, bool must_end) {
    Row& row = rows_[index];
    const std::int64_t guesses = logits.rows - 1;
    std::int64_t right = 0;
    for (;; ++right) {
      const std::span<float> scores(logits.row(right), static_cast<std::size_t>(logits.cols));
      for (const auto& processor : processors_) processor->process(row.ids, scores);
      if (settings_.output_scores) row.scores.emplace_back(scores.begin(), scores.end());
      const std::int32_t id = settings_.do_sample ? row.sampler.draw(scores) : argmax(scores);
      row.ids.push_back(id);
      const bool wanted = show(static_cast<std::int32_t>(index), id);
      if (const auto cause = end_of(id, row.ids.size(), wanted, must_end)) {
        row.running = false;
        row.cause = *cause;
        break;
      }
      if (right == guesses || row.input[static_cast<std::size_t>(right) + 1] != id) break;
    }
    if (right < guesses) row.sequence->truncate(static_cast<std::int64_t>(row.ids.size()) - 1);
  }

  const LogitsProcessors processors_;
  std::vector<Row> rows_;
  bool has_prompt_ = false;  // the model has seen the prompt
};

}  // namespace

std::unique_ptr<Search> make_sampling(Request request, std::int32_t index, const InferenceSettings& settings,
                                      Limits limits) {
  return std::make_unique<Sampling>(std::move(request), index, settings, std::move(limits));
}

}  // namespace bitnet::generate
