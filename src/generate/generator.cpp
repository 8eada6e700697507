#include "generate/generator.h"

#include <algorithm>

#include "base/fail.h"
#include "generate/search.h"

namespace bitnet::generate {

std::int64_t token_budget(std::int64_t prompt_length, std::int64_t context_length, const InferenceSettings& settings) {
  if (prompt_length == 0) fail(ErrorKind::invalid_argument, "the prompt has no token; expected at least one");
  if (prompt_length >= context_length) {
    fail(ErrorKind::limit, "the prompt has {} tokens, but the model's context holds {} with the answer; shorten it",
         prompt_length, context_length);
  }
  std::int64_t budget = context_length - prompt_length;
  if (settings.max_new_tokens) return std::min<std::int64_t>(budget, *settings.max_new_tokens);
  if (prompt_length >= settings.max_length) {
    fail(ErrorKind::limit, "the prompt has {} tokens, but max_length allows {} with the answer; raise max_length",
         prompt_length, settings.max_length);
  }
  return std::min<std::int64_t>(budget, settings.max_length - prompt_length);
}

namespace {

std::unique_ptr<Search> make_search(Request request, std::int32_t index, const SequenceModel& model,
                                    const InferenceSettings& settings) {
  const auto prompt_length = static_cast<std::int64_t>(request.prompt.size());
  Limits limits{prompt_length, prompt_length + token_budget(prompt_length, model.context_length(), settings), {}};
  if (!settings.ignore_eos) limits.eos = settings.eos_token_id;
  const auto make = settings.num_beams > 1       ? make_beam_search
                    : settings.penalty_alpha > 0 ? make_contrastive_search
                                                 : make_sampling;
  return make(std::move(request), index, settings, std::move(limits));
}

/// Takes the rows of some steps off the front of `rest`.
Computed take_rows(Computed& rest, std::span<const Step> steps) {
  Computed part = rest;
  part.logits.rows = part.hidden.rows = 0;
  for (const Step& step : steps) {
    part.logits.rows += static_cast<std::int64_t>(step.needed.size());
    part.hidden.rows += static_cast<std::int64_t>(step.ids.size());
  }
  rest.logits.data += part.logits.rows * rest.logits.stride;
  if (rest.hidden.data != nullptr) rest.hidden.data += part.hidden.rows * rest.hidden.stride;
  return part;
}

}  // namespace

std::vector<Result> generate(SequenceModel& model, std::vector<Request> requests, const InferenceSettings& settings,
                             const std::function<bool()>& must_end) {
  std::vector<std::unique_ptr<Search>> searches;
  for (Request& request : requests) {
    searches.push_back(make_search(std::move(request), static_cast<std::int32_t>(searches.size()), model, settings));
  }
  for (;;) {
    std::vector<Step> steps;
    std::vector<std::pair<Search*, std::size_t>> parts;  // who asked, and how many steps there are with theirs
    bool wants_hidden = false;
    for (const auto& search : searches) {
      if (search->done()) continue;
      search->plan(steps);
      wants_hidden = wants_hidden || search->wants_hidden();
      parts.emplace_back(search.get(), steps.size());
    }
    if (steps.empty()) break;
    Computed rest = model.forward(steps, wants_hidden);
    const bool end = must_end && must_end();
    std::size_t first = 0;
    for (const auto& [search, last] : parts) {
      search->advance(take_rows(rest, std::span(steps).subspan(first, last - first)), end);
      first = last;
    }
  }
  std::vector<Result> results;
  for (const auto& search : searches) results.push_back({search->outcomes(), search->take_scores()});
  return results;
}

}  // namespace bitnet::generate
