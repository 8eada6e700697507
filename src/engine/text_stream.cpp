#include "engine/text_stream.h"

#include <algorithm>
#include <utility>

namespace bitnet {

TextStream::TextStream(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                       std::vector<std::string> stop_strings)
    : decoder_(tokenizer), stop_strings_(std::move(stop_strings)) {
  for (const std::int32_t id : prompt) (void)decoder_.push(id);
}

std::string TextStream::release(const std::string& text, bool last) {
  if (stopped_) return {};
  held_ += text;
  std::size_t stop = std::string::npos;
  for (const std::string& stop_string : stop_strings_) stop = std::min(stop, held_.find(stop_string));
  if (stop != std::string::npos) {
    stopped_ = true;
    held_.resize(stop);
    return std::exchange(held_, {});
  }
  // Hold back the longest end that is the beginning of a stop string.
  std::size_t keep = 0;
  for (const std::string& stop_string : stop_strings_) {
    for (std::size_t n = std::min(stop_string.size() - 1, held_.size()); !last && n > keep; --n) {
      if (held_.ends_with(std::string_view(stop_string).substr(0, n))) keep = n;
    }
  }
  std::string ready = held_.substr(0, held_.size() - keep);
  held_.erase(0, ready.size());
  return ready;
}

}  // namespace bitnet
