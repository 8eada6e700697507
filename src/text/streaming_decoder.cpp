#include <utility>

#include "bitnet/tokenizer.h"
#include "text/tokenizer_impl.h"

namespace bitnet {

struct StreamingDecoder::State {
  State(std::shared_ptr<const Tokenizer::Impl> tokenizer, bool skip)
      : impl(std::move(tokenizer)), skip_special_tokens(skip), chain(impl->decoder) {}

  std::shared_ptr<const Tokenizer::Impl> impl;
  bool skip_special_tokens;
  text::DecoderChain chain;
};

StreamingDecoder::StreamingDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : state_(std::make_unique<State>(tokenizer.impl_, skip_special_tokens)) {}
StreamingDecoder::StreamingDecoder(StreamingDecoder&&) noexcept = default;
StreamingDecoder& StreamingDecoder::operator=(StreamingDecoder&&) noexcept = default;
StreamingDecoder::~StreamingDecoder() = default;

std::string StreamingDecoder::push(std::int32_t id) {
  const std::string_view token = state_->impl->text_to_decode(id, state_->skip_special_tokens);
  if (token.data() != nullptr) state_->chain.token(token);
  return state_->chain.take();
}

std::string StreamingDecoder::flush() {
  state_->chain.finish();
  std::string rest = state_->chain.take();
  state_->chain = text::DecoderChain(state_->impl->decoder);
  return rest;
}

}  // namespace bitnet
