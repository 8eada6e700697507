#include "generate/logits_processors.h"

#include <algorithm>

#include "generate/token_constraints.h"
#include "generate/warpers.h"

namespace bitnet::generate {
namespace {

template <typename Processor, typename... Args>
void add(LogitsProcessors& list, Args&&... args) {
  list.push_back(std::make_unique<Processor>(std::forward<Args>(args)...));
}

void add_constraints(LogitsProcessors& list, const InferenceSettings& s, std::int64_t prompt_length,
                     std::int64_t max_length) {
  const std::vector<std::int32_t> eos = s.ignore_eos ? std::vector<std::int32_t>() : s.eos_token_id;
  if (!s.sequence_bias.empty()) add<SequenceBiasProcessor>(list, s.sequence_bias);
  if (s.repetition_penalty != 1.0F) add<RepetitionPenalty>(list, s.repetition_penalty);
  if (s.no_repeat_ngram_size > 0) add<NoRepeatNGram>(list, s.no_repeat_ngram_size);
  if (!s.bad_words_ids.empty()) add<NoBadWords>(list, s.bad_words_ids, eos);
  if (s.min_length > 0 && !eos.empty()) add<MinLength>(list, s.min_length, eos);
  if (s.min_new_tokens > 0 && !eos.empty()) add<MinNewTokensLength>(list, prompt_length, s.min_new_tokens, eos);
  if (s.forced_bos_token_id) add<ForcedBOSToken>(list, *s.forced_bos_token_id);
  if (s.forced_eos_token_id) add<ForcedEOSToken>(list, max_length, std::vector{*s.forced_eos_token_id});
  if (s.remove_invalid_values) add<InfNanRemove>(list);
  if (s.exponential_decay_length_penalty && !eos.empty()) {
    add<ExponentialDecayProcessor>(list, *s.exponential_decay_length_penalty, eos, prompt_length);
  }
  if (!s.suppress_tokens.empty()) add<SuppressTokens>(list, s.suppress_tokens);
  if (!s.begin_suppress_tokens.empty()) {
    // After a forced first token, the second one is the first that is free.
    const bool first_is_forced = prompt_length <= 1 && s.forced_bos_token_id;
    add<SuppressTokensAtBegin>(list, s.begin_suppress_tokens, prompt_length + (first_is_forced ? 1 : 0));
  }
}

void add_warpers(LogitsProcessors& list, const InferenceSettings& s) {
  // Beams go on where one ends, so that each needs a token that is not an EOS.
  const std::size_t eos_count = s.ignore_eos ? 0 : s.eos_token_id.size();
  const std::size_t min_keep = s.num_beams > 1 ? std::max<std::size_t>(eos_count, 1) + 1 : 1;
  if (s.temperature != 1.0F) add<Temperature>(list, s.temperature);
  if (s.top_h > 0.0F) add<TopH>(list, s.top_h);
  if (s.top_k != 0) add<TopK>(list, std::max(static_cast<std::size_t>(s.top_k), min_keep));
  if (s.top_p < 1.0F) add<TopP>(list, s.top_p, min_keep);
  if (s.min_p > 0.0F) add<MinP>(list, s.min_p, min_keep);
  if (s.typical_p < 1.0F) add<Typical>(list, s.typical_p, min_keep);
  if (s.epsilon_cutoff > 0.0F) add<EpsilonCutoff>(list, s.epsilon_cutoff, min_keep);
  if (s.eta_cutoff > 0.0F) add<EtaCutoff>(list, s.eta_cutoff, min_keep);
}

}  // namespace

LogitsProcessors make_logits_processors(const InferenceSettings& settings, std::int64_t prompt_length,
                                        std::int64_t max_length) {
  LogitsProcessors list;
  add_constraints(list, settings, prompt_length, max_length);
  if (settings.do_sample) add_warpers(list, settings);
  if (settings.renormalize_logits) add<LogitNormalization>(list);
  return list;
}

}  // namespace bitnet::generate
