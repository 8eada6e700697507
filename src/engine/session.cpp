#include "bitnet/session.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "engine/activations.h"
#include "engine/paged_model.h"
#include "engine/text_stream.h"
#include "generate/generator.h"
#include "generate/settings_check.h"

namespace bitnet {
namespace {

using Prompts = std::vector<std::vector<std::int32_t>>;

/// What is left unset comes from the checkpoint.
InferenceSettings completed(InferenceSettings settings, const InferenceSettings& checkpoint) {
  settings.validate();
  if (settings.eos_token_id.empty()) settings.eos_token_id = checkpoint.eos_token_id;
  if (!settings.bos_token_id) settings.bos_token_id = checkpoint.bos_token_id;
  if (!settings.pad_token_id) settings.pad_token_id = checkpoint.pad_token_id;
  return settings;
}

/// The ids that the model is to see: no padding in front, and something to continue.
std::vector<std::int32_t> prepared(std::span<const std::int32_t> ids, const InferenceSettings& settings) {
  const auto& eos = settings.eos_token_id;
  // As in the reference: what is also an EOS is no padding.
  const bool has_padding = settings.attention_mask && settings.pad_token_id &&
                           std::find(eos.begin(), eos.end(), *settings.pad_token_id) == eos.end();
  std::vector<std::int32_t> prompt(ids.begin(), ids.end());
  if (has_padding) {
    const auto first = std::find_if(prompt.begin(), prompt.end(), [&](auto id) { return id != settings.pad_token_id; });
    if (first != prompt.end()) prompt.erase(prompt.begin(), first);
  }
  const auto start = settings.decoder_start_token_id ? settings.decoder_start_token_id : settings.bos_token_id;
  if (prompt.empty() && start) prompt.push_back(*start);
  return prompt;
}

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
  if (settings_.stop_strings.empty()) return false;
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
    if (row.stream) emit(place, row.stream->finish());
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

}  // namespace

class Session::Impl {
 public:
  explicit Impl(const Engine& engine) : engine_(engine), kept_(transformer().make_sequence()) {}

  [[nodiscard]] const Engine& engine() const { return engine_; }
  [[nodiscard]] EngineState& state() const { return engine_.state(); }
  [[nodiscard]] model::Transformer& transformer() const { return *state().transformer; }

  /// `prompts` as the caller gave them.
  std::vector<Generation> run(Prompts prompts, const InferenceSettings& given, const OnResultText& on_text);
  void reset() { kept_.truncate(0); }

 private:
  Engine engine_;
  PagedSequence kept_;  // of the last call for a single result
};

std::vector<Generation> Session::Impl::run(Prompts prompts, const InferenceSettings& given,
                                           const OnResultText& on_text) {
  const InferenceSettings settings = completed(given, state().settings);
  generate::check_token_ids(settings, engine_.config().vocab_size);
  if (!settings.stop_strings.empty()) (void)engine_.tokenizer();  // throws when there is none to find them with
  const std::int64_t context = engine_.config().max_position_embeddings;
  // Refuses a prompt that does not fit before anything is computed.
  for (std::vector<std::int32_t>& prompt : prompts) {
    prompt = prepared(prompt, settings);
    (void)generate::token_budget(std::ssize(prompt), context, settings);
  }
  {
    const std::lock_guard lock(state().computing);
    state().pool.resize(settings.threads);
  }
  std::vector<Generation> results;
  const auto batch = static_cast<std::size_t>(settings.batch_size);
  for (std::size_t first = 0; first < prompts.size(); first += batch) {
    const auto part = std::span(prompts).subspan(first, std::min(batch, prompts.size() - first));
    GenerationRun run(state(), part, settings, on_text, results.size());
    std::vector<Generation> some = run.run(kept_);
    std::move(some.begin(), some.end(), std::back_inserter(results));
    if (auto sequence = run.take_sequence()) kept_ = std::move(*sequence);
    if (run.cancelled()) break;
  }
  // A caller who stops gets a result for every prompt all the same.
  while (results.size() < prompts.size() * static_cast<std::size_t>(settings.num_return_sequences)) {
    Generation& rest = results.emplace_back();
    rest.prompt_ids = prompts[(results.size() - 1) / static_cast<std::size_t>(settings.num_return_sequences)];
    rest.finish = FinishReason::cancelled;
  }
  return results;
}

Session::Session(const Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

namespace {

Generation single(std::vector<Generation> results) { return std::move(results.front()); }

void require_one_result(const InferenceSettings& settings) {
  if (settings.num_return_sequences == 1) return;
  fail(ErrorKind::invalid_argument,
       "num_return_sequences is {}, but this call returns one result; use generate_batch()",
       settings.num_return_sequences);
}

void refuse_system_prompt(const InferenceSettings& settings) {
  if (settings.system_prompt.empty()) return;
  fail(ErrorKind::invalid_argument, "system_prompt is set, but a plain prompt has no messages; use reply(), or prefix");
}

OnResultText of_single(const OnText& on_text) {
  if (!on_text) return {};
  return [&on_text](std::size_t, std::string_view text) { return on_text(text); };
}

}  // namespace

Generation Session::generate(std::string_view prompt, const InferenceSettings& settings, const OnText& on_text) {
  refuse_system_prompt(settings);
  const std::string text = settings.prefix + std::string(prompt);
  return generate(std::span<const std::int32_t>(impl_->engine().tokenizer().encode(text)), settings, on_text);
}

Generation Session::generate(std::span<const std::int32_t> prompt_ids, const InferenceSettings& settings,
                             const OnText& on_text) {
  require_one_result(settings);
  return single(impl_->run({{prompt_ids.begin(), prompt_ids.end()}}, settings, of_single(on_text)));
}

std::vector<Generation> Session::generate_batch(std::span<const std::string> prompts, const InferenceSettings& settings,
                                                const OnResultText& on_text) {
  refuse_system_prompt(settings);
  Prompts ids;
  for (const std::string& prompt : prompts) ids.push_back(impl_->engine().tokenizer().encode(settings.prefix + prompt));
  return impl_->run(std::move(ids), settings, on_text);
}

std::vector<Generation> Session::generate_batch(std::span<const std::vector<std::int32_t>> prompts,
                                                const InferenceSettings& settings, const OnResultText& on_text) {
  return impl_->run({prompts.begin(), prompts.end()}, settings, on_text);
}

Generation Session::reply(std::span<const ChatMessage> messages, const InferenceSettings& settings,
                          const OnText& on_text) {
  return generate(std::span<const std::int32_t>(reply_prompt(messages, settings)), settings, on_text);
}

std::vector<std::int32_t> Session::reply_prompt(std::span<const ChatMessage> messages,
                                                const InferenceSettings& settings) const {
  if (!settings.prefix.empty()) {
    fail(ErrorKind::invalid_argument, "prefix is set, but a chat has no plain prompt; use system_prompt");
  }
  std::vector<ChatMessage> all(messages.begin(), messages.end());
  if (!settings.system_prompt.empty() && (all.empty() || all.front().role != Role::system)) {
    ChatMessage system;
    system.role = Role::system;
    system.content = settings.system_prompt;
    all.insert(all.begin(), std::move(system));
  }
  const Tokenizer& tokenizer = impl_->engine().tokenizer();
  const std::string text = impl_->engine().chat_template().render(all).text;
  // Many templates write the begin-of-text token themselves; then the tokenizer must not add a second one.
  const auto bos = settings.bos_token_id ? settings.bos_token_id : impl_->engine().default_settings().bos_token_id;
  const auto bos_text = bos ? tokenizer.id_to_token(*bos) : std::nullopt;
  const bool has_bos = bos_text && !bos_text->empty() && text.starts_with(*bos_text);
  return tokenizer.encode(text, !has_bos);
}

std::vector<float> Session::logits(std::span<const std::int32_t> ids) {
  const std::int64_t vocab = impl_->engine().config().vocab_size;
  std::vector<float> out(ids.size() * static_cast<std::size_t>(vocab));
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : ids) batch.push_back({id, 0, true});
  model::KvSequence sequence = impl_->transformer().make_sequence();
  model::KvSequence* sequences[] = {&sequence};
  const std::lock_guard lock(impl_->state().computing);
  impl_->transformer().forward(batch, sequences, {out.data(), static_cast<std::int64_t>(ids.size()), vocab});
  return out;
}

std::vector<NamedArray> Session::activations(std::span<const std::int32_t> ids, const WantsArray& wanted) {
  return record_activations(impl_->state(), ids, wanted);
}

void Session::reset() { impl_->reset(); }

}  // namespace bitnet
