#pragma once
/// Tokens back to text. A decoder is a chain of stages through which tokens flow, so that decoding a whole list and
/// decoding while tokens are still being made are the same code.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_field.h"

namespace bitnet::text {

/// One running stage: takes tokens in parts, gives tokens in parts to the next stage as soon as they are final.
class DecoderStage {
 public:
  virtual ~DecoderStage() = default;
  /// A part of the current token: whole characters.
  virtual void part(std::string_view text) = 0;
  virtual void end_token() = 0;
  virtual void finish() = 0;
};

/// Makes a fresh stage that feeds `next`, which outlives it.
using StageFactory = std::function<std::unique_ptr<DecoderStage>(DecoderStage& next)>;

/// The "decoder" field: the stages in order. An absent field joins the tokens with spaces, as the reference does.
/// Throws Error(unsupported) naming a type that this version does not do.
[[nodiscard]] std::vector<StageFactory> make_decoder(const Field& field);

/// A running chain. For one thread.
class DecoderChain {
 public:
  /// `factories` outlive the chain.
  explicit DecoderChain(const std::vector<StageFactory>& factories);

  void token(std::string_view text);
  void finish();
  /// What has become final since the last call.
  [[nodiscard]] std::string take();

 private:
  class Sink;
  std::vector<std::unique_ptr<DecoderStage>> stages_;  // last stage first
  std::string* out_;
};

}  // namespace bitnet::text
