#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bitnet/tokenizer.h"

namespace bitnet {

/// From new ids to the text that a reader may see: whole characters, and nothing that could still turn out to be the
/// start of a stop string.
class TextStream {
 public:
  /// The decoder first sees the prompt, so that the new text joins on as it does in the whole.
  TextStream(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt, std::vector<std::string> stop_strings);

  /// The text that `id` made final.
  [[nodiscard]] std::string push(std::int32_t id) { return release(decoder_.push(id), false); }
  /// The rest, at the end.
  [[nodiscard]] std::string finish() { return release(decoder_.flush(), true); }
  /// A stop string has appeared; from there on nothing comes out.
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  std::string release(const std::string& text, bool last);

  StreamingDecoder decoder_;
  std::vector<std::string> stop_strings_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace bitnet
