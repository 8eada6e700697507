#include "bitnet/session.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/fail.h"
#include "engine/activations.h"
#include "engine/generation_run.h"

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

OnResultText of_single(const OnText& on_text) {
  if (!on_text) return {};
  return [&on_text](std::size_t, std::string_view text) { return on_text(text); };
}

}  // namespace

Generation Session::generate(std::string_view prompt, const InferenceSettings& settings, const OnText& on_text) {
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
