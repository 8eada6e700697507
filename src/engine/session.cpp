#include "bitnet/session.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "base/stopwatch.h"
#include "engine/engine_state.h"
#include "engine/text_stream.h"
#include "generate/generator.h"

namespace bitnet {
namespace {

// A caller can stop between two of these, also in a long prompt.
constexpr std::size_t kPromptChunk = 512;

}  // namespace

class Session::Impl final : public generate::StepModel {
 public:
  explicit Impl(const Engine& engine) : engine_(engine), sequence_(transformer().make_sequence()) {}

  [[nodiscard]] const Engine& engine() const { return engine_; }
  [[nodiscard]] EngineState& state() const { return engine_.state(); }
  [[nodiscard]] model::Transformer& transformer() const { return *state().transformer; }
  [[nodiscard]] std::int64_t context_length() const override { return engine_.config().max_position_embeddings; }

  std::span<float> append(std::span<const std::int32_t> ids, const backend::TopRows& needed) override {
    logits_.resize(static_cast<std::size_t>(engine_.config().vocab_size));
    while (ids.size() > kPromptChunk) {
      forward(ids.first(kPromptChunk), nullptr);
      ids = ids.subspan(kPromptChunk);
      if (on_text_ != nullptr && *on_text_ && !(*on_text_)({})) fail(ErrorKind::cancelled, "stopped by the caller");
    }
    forward(ids, &needed);
    if (!first_logits_) first_logits_ = watch_.seconds();
    return logits_;
  }

  Generation run(std::span<const std::int32_t> prompt, InferenceSettings settings, const OnText& on_text);
  void reset() {
    sequence_.truncate(0);
    cached_.clear();
  }

 private:
  /// `needed`: of the last token's logits; null: none of them.
  void forward(std::span<const std::int32_t> ids, const backend::TopRows* needed) {
    std::vector<model::BatchToken> batch;
    for (const std::int32_t id : ids) batch.push_back({id, 0, false});
    batch.back().wants_logits = needed != nullptr;
    model::KvSequence* sequences[] = {&sequence_};
    const std::lock_guard lock(state().computing);
    const MatrixView<float> logits{logits_.data(), 1, static_cast<std::int64_t>(logits_.size())};
    const auto top = needed != nullptr ? std::span(needed, 1) : std::span<const backend::TopRows>();
    head_rows_ += transformer().forward(batch, sequences, logits, nullptr, top);
    cached_.insert(cached_.end(), ids.begin(), ids.end());
  }

  /// Cuts the cache back to what it shares with the prompt; returns how much that is. One token is always left to
  /// compute, for its logits.
  std::size_t reuse_prefix(std::span<const std::int32_t> prompt) {
    const auto [mine, theirs] = std::mismatch(cached_.begin(), cached_.end(), prompt.begin(), prompt.end());
    const auto shared = std::min<std::size_t>(static_cast<std::size_t>(mine - cached_.begin()), prompt.size() - 1);
    sequence_.truncate(static_cast<std::int64_t>(shared));
    cached_.resize(shared);
    return shared;
  }

  Engine engine_;
  model::KvSequence sequence_;
  std::vector<std::int32_t> cached_;    // the ids that sequence_ holds
  std::vector<float> logits_;           // [vocab]
  const OnText* on_text_ = nullptr;     // of the generation that is running
  std::int64_t head_rows_ = 0;          // rows of the full head that it has computed
  Stopwatch watch_;                     // of the generation that is running
  std::optional<double> first_logits_;  // seconds
};

Generation Session::Impl::run(std::span<const std::int32_t> prompt, InferenceSettings settings, const OnText& on_text) {
  settings.validate();
  if (settings.eos_token_id.empty()) settings.eos_token_id = state().settings.eos_token_id;
  // Nothing to continue: the text starts with the begin-of-text token, as in the reference.
  if (prompt.empty() && settings.bos_token_id) prompt = std::span(&*settings.bos_token_id, 1);
  Generation result;
  result.prompt_ids.assign(prompt.begin(), prompt.end());
  // Refuses a prompt that does not fit before anything is computed.
  (void)generate::token_budget(static_cast<std::int64_t>(prompt.size()), context_length(), settings);
  {
    const std::lock_guard lock(state().computing);
    state().pool.resize(settings.threads);
  }
  const std::size_t shared = reuse_prefix(prompt);
  result.reused_tokens = static_cast<std::int64_t>(shared);

  std::optional<TextStream> stream;
  if (state().tokenizer) stream.emplace(*state().tokenizer, prompt, settings.stop_strings);
  bool cancelled = false;
  const auto emit = [&](const std::string& text) {
    result.text += text;
    if (on_text && !text.empty() && !on_text(text)) cancelled = true;
  };
  const auto on_token = [&](std::int32_t id) {
    if (stream) emit(stream->push(id));
    return !cancelled && !(stream && stream->stopped());
  };

  on_text_ = &on_text;
  first_logits_.reset();
  head_rows_ = 0;
  watch_ = {};
  try {
    generate::Outcome outcome = generate::generate(*this, prompt, prompt.subspan(shared), settings, on_token);
    result.ids = std::move(outcome.ids);
    if (outcome.cause == generate::StopCause::eos) result.finish = FinishReason::eos;
  } catch (const Error& error) {
    // A pass that failed half way leaves the cache without meaning.
    reset();
    if (error.kind() != ErrorKind::cancelled) throw;
    cancelled = true;
  } catch (...) {
    reset();
    throw;
  }
  if (first_logits_) {
    result.prompt_seconds = *first_logits_;
    result.generation_seconds = watch_.seconds() - *first_logits_;
  }
  result.head_rows = head_rows_;
  if (stream && !cancelled) emit(stream->finish());
  if (stream && stream->stopped()) result.finish = FinishReason::stop_string;
  if (cancelled) result.finish = FinishReason::cancelled;
  return result;
}

Session::Session(const Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Generation Session::generate(std::string_view prompt, const InferenceSettings& settings, const OnText& on_text) {
  const std::string text = settings.prefix + std::string(prompt);
  return impl_->run(impl_->engine().tokenizer().encode(text), settings, on_text);
}

Generation Session::generate(std::span<const std::int32_t> prompt_ids, const InferenceSettings& settings,
                             const OnText& on_text) {
  return impl_->run(prompt_ids, settings, on_text);
}

Generation Session::reply(std::span<const ChatMessage> messages, const InferenceSettings& settings,
                          const OnText& on_text) {
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
  return impl_->run(tokenizer.encode(text, !has_bos), settings, on_text);
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

void Session::reset() { impl_->reset(); }

}  // namespace bitnet
