#include "engine/generation_run.h"

#include <algorithm>
#include <utility>

#include "base/fail.h"

namespace bitnet {

GenerationRun::GenerationRun(EngineState& state, std::span<const std::vector<std::int32_t>> prompts,
                             const InferenceSettings& settings, const OnResultText& on_text, std::size_t first_result)
    : state_(state),
      prompts_(prompts),
      settings_(settings),
      on_text_(on_text),
      first_result_(first_result),
      per_prompt_(static_cast<std::size_t>(settings.num_return_sequences)),
      rows_(prompts.size() * per_prompt_),
      generations_(rows_.size()),
      details_(prompts.size()),
      model_(
          state, settings, [this] { return go_on(); }, details_) {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    generations_[i].prompt_ids = prompts[i / per_prompt_];
    if (state.tokenizer) rows_[i].stream.emplace(*state.tokenizer, prompts[i / per_prompt_], settings.stop_strings);
  }
}

bool GenerationRun::go_on() {
  if (on_text_ && !cancelled_ && !on_text_(first_result_, {})) cancelled_ = true;
  return !cancelled_;
}

void GenerationRun::emit(std::size_t result, const std::string& text) {
  rows_[result].text += text;
  if (on_text_ && !cancelled_ && !text.empty() && !on_text_(first_result_ + result, text)) cancelled_ = true;
}

void GenerationRun::push(std::size_t result, std::int32_t id) {
  if (auto& stream = rows_[result].stream) emit(result, stream->push(id));
}

bool GenerationRun::ends_with_stop_string(std::span<const std::int32_t> ids, std::size_t prompt_length) const {
  if (settings_.stop_strings.empty() || !state_.tokenizer) return false;
  TextStream stream(*state_.tokenizer, ids.first(prompt_length), settings_.stop_strings);
  for (const std::int32_t id : ids.subspan(prompt_length)) (void)stream.push(id);
  return stream.stopped();
}

generate::Request GenerationRun::request(std::size_t prompt, const PagedSequence& kept) {
  const std::vector<std::int32_t>& ids = prompts_[prompt];
  const std::size_t first = prompt * per_prompt_;
  generate::Request request;
  request.prompt = ids;
  // Who looks at all hidden states has to compute them. One token is always left to compute, for its logits.
  const bool reuse = settings_.use_cache && settings_.penalty_alpha == 0.0F && !settings_.output_hidden_states &&
                     !settings_.output_attentions;
  if (reuse) {
    const auto shared = std::mismatch(kept.ids.begin(), kept.ids.end(), ids.begin(), ids.end()).first;
    request.seen = std::min(shared - kept.ids.begin(), std::ssize(ids) - 1);
  }
  request.sequence = kept.fork();
  request.sequence->truncate(request.seen);
  request.on_token = [this, first](std::int32_t result, std::int32_t id) {
    const std::size_t place = first + static_cast<std::size_t>(result);
    push(place, id);
    return !cancelled_ && !(rows_[place].stream && rows_[place].stream->stopped());
  };
  request.is_finished = [this, &ids](std::span<const std::int32_t> all) {
    return ends_with_stop_string(all, ids.size());
  };
  for (std::size_t i = 0; i < per_prompt_; ++i) generations_[first + i].reused_tokens = request.seen;
  return request;
}

std::vector<Generation> GenerationRun::run(PagedSequence& kept) {
  std::vector<generate::Request> requests;
  for (std::size_t p = 0; p < prompts_.size(); ++p) requests.push_back(request(p, kept));
  if (prompts_.size() == 1) kept.truncate(0);  // not two conversations in memory
  const auto must_end = [this] {
    if (settings_.max_time && model_.seconds() >= *settings_.max_time) out_of_time_ = true;
    return !go_on() || out_of_time_;
  };
  try {
    std::vector<generate::Result> results = generate::generate(model_, std::move(requests), settings_, must_end);
    for (std::size_t p = 0; p < results.size(); ++p) finish(p, results[p]);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled) throw;
    cancelled_ = true;
    for (Generation& generation : generations_) generation.finish = FinishReason::cancelled;
  }
  for (Generation& generation : generations_) {
    generation.head_rows = model_.head_rows();
    generation.cache_bytes = model_.cache_bytes();
    if (!model_.first_logits()) continue;
    generation.prompt_seconds = *model_.first_logits();
    generation.generation_seconds = model_.seconds() - generation.prompt_seconds;
  }
  return std::move(generations_);
}

void GenerationRun::finish(std::size_t prompt, generate::Result& result) {
  const bool streamed = settings_.num_beams == 1;
  for (std::size_t i = 0; i < result.outcomes.size(); ++i) {
    const std::size_t place = prompt * per_prompt_ + i;
    generate::Outcome& outcome = result.outcomes[i];
    Row& row = rows_[place];
    if (!streamed) {
      for (const std::int32_t id : outcome.ids) push(place, id);
    }
    if (row.stream && !cancelled_) emit(place, row.stream->finish());
    Generation& generation = generations_[place];
    generation.text = std::move(row.text);
    generation.score = outcome.score;
    if (outcome.cause == generate::StopCause::eos) generation.finish = FinishReason::eos;
    if (outcome.cause == generate::StopCause::caller && out_of_time_) generation.finish = FinishReason::max_time;
    if (row.stream && row.stream->stopped()) generation.finish = FinishReason::stop_string;
    if (outcome.cause == generate::StopCause::caller && cancelled_) generation.finish = FinishReason::cancelled;
    generation.ids = outcome.ids;
    if (generations_.size() == 1 && outcome.sequence && settings_.use_cache) {
      sequence_.reset(static_cast<PagedSequence*>(outcome.sequence.release()));
    }
  }
  if (settings_.return_dict_in_generate || settings_.output_scores || settings_.output_hidden_states ||
      settings_.output_attentions) {
    fill_details(prompt, result);
  }
}

void GenerationRun::fill_details(std::size_t prompt, generate::Result& result) {
  GenerationDetails& details = details_[prompt];
  std::size_t longest = 0;
  for (const generate::Outcome& outcome : result.outcomes) longest = std::max(longest, outcome.ids.size());
  const std::int32_t pad = settings_.pad_token_id           ? *settings_.pad_token_id
                           : settings_.eos_token_id.empty() ? 0
                                                            : settings_.eos_token_id.front();
  for (const generate::Outcome& outcome : result.outcomes) {
    std::vector<std::int32_t>& ids = details.sequences.emplace_back(prompts_[prompt]);
    ids.insert(ids.end(), outcome.ids.begin(), outcome.ids.end());
    ids.resize(prompts_[prompt].size() + longest, pad);
    if (settings_.num_beams == 1) continue;
    details.sequences_scores.push_back(outcome.score);
    details.beam_indices.push_back(outcome.beam_indices);
    details.beam_indices.back().resize(longest, -1);
  }
  const std::int64_t vocab = model_.vocab_size();
  for (std::vector<float>& scores : result.scores) {
    const std::int64_t rows = std::ssize(scores) / vocab;
    details.scores.push_back({{rows, vocab}, std::move(scores)});
  }
  const auto shared = std::make_shared<const GenerationDetails>(std::move(details));
  for (std::size_t i = 0; i < per_prompt_; ++i) generations_[prompt * per_prompt_ + i].details = shared;
}

}  // namespace bitnet
