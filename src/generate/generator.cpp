#include "generate/generator.h"

#include <algorithm>

#include "base/fail.h"
#include "generate/logits_processors.h"
#include "generate/token_chooser.h"

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

/// Which logits decide about the next token: the largest ones, when no setting looks at the others.
/// `lowered` keeps the ids that the result points to.
backend::TopRows needed_logits(std::span<const std::unique_ptr<LogitsProcessor>> processors,
                               const InferenceSettings& settings, std::span<const std::int32_t> ids,
                               std::vector<std::int32_t>& lowered) {
  const std::int64_t keep = settings.do_sample ? settings.top_k : 1;
  lowered.clear();
  for (const auto& processor : processors) {
    if (!processor->only_lowers(ids, lowered)) return {};
  }
  std::sort(lowered.begin(), lowered.end());
  lowered.erase(std::unique(lowered.begin(), lowered.end()), lowered.end());
  return {keep, lowered};
}

}  // namespace

Outcome generate(StepModel& model, std::span<const std::int32_t> prompt, std::span<const std::int32_t> fresh,
                 const InferenceSettings& settings, const OnToken& on_token) {
  const auto prompt_length = static_cast<std::int64_t>(prompt.size());
  const std::int64_t budget = token_budget(prompt_length, model.context_length(), settings);
  const auto processors = make_logits_processors(settings, prompt_length, prompt_length + budget);
  Sampler sampler(settings.seed);
  Outcome outcome;
  std::vector<std::int32_t> ids(prompt.begin(), prompt.end());
  std::vector<std::int32_t> lowered;
  std::int32_t last = 0;
  while (static_cast<std::int64_t>(outcome.ids.size()) < budget) {
    const backend::TopRows needed = needed_logits(processors, settings, ids, lowered);
    const std::span<float> logits = model.append(outcome.ids.empty() ? fresh : std::span(&last, 1), needed);
    for (const auto& processor : processors) processor->process(ids, logits);
    last = settings.do_sample ? sampler.draw(logits) : argmax(logits);
    ids.push_back(last);
    outcome.ids.push_back(last);
    const bool go_on = !on_token || on_token(last);
    const auto& eos = settings.eos_token_id;
    if (!settings.ignore_eos && std::find(eos.begin(), eos.end(), last) != eos.end()) {
      outcome.cause = StopCause::eos;
      break;
    }
    if (!go_on) {
      outcome.cause = StopCause::caller;
      break;
    }
  }
  return outcome;
}

}  // namespace bitnet::generate
