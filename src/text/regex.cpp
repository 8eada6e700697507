#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/unicode_stand_ins.h"

namespace bitnet::text {
namespace {

constexpr std::size_t kMaxPatternBytes = 64 << 10;
// One match of an honest pattern looks at each character of a run a few times; a hostile one needs exponentially many.
constexpr std::size_t kLeastMatchSteps = 1'000'000;
constexpr std::size_t kStepsPerByte = 16;
constexpr std::uint32_t kMatchHeapKib = 64 << 10;

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* pointer) const noexcept {
    kFree(pointer);
  }
};
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Free<pcre2_code_free>> code;
};

Regex::Regex(std::string_view pattern, std::string where) : where_(std::move(where)) {
  if (pattern.size() > kMaxPatternBytes) {
    fail(ErrorKind::limit, "{}: a regular expression of {} bytes; at most {} are read", where_, pattern.size(),
         kMaxPatternBytes);
  }
  const std::string translated = onig_to_pcre2(pattern, where_);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Ruby's ^ and $ always mean lines.
  auto code = std::make_shared<Code>();
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                 nullptr));
  if (!code->code) {
    PCRE2_UCHAR message[128] = {};
    pcre2_get_error_message(error, message, sizeof message);
    fail(ErrorKind::unsupported, "{}: the regular expression \"{}\" does not compile: {}", where_, pattern,
         reinterpret_cast<const char*>(message));
  }
  pcre2_jit_compile(code->code.get(), PCRE2_JIT_COMPLETE);  // where there is no JIT, pcre2_match interprets
  code_ = std::move(code);
}

void Regex::find_all(std::string_view text, std::vector<ByteRange>& matches) const {
  const MatchData data(pcre2_match_data_create(1, nullptr));
  const MatchContext context(pcre2_match_context_create(nullptr));
  if (!data || !context) throw std::bad_alloc();
  const std::size_t steps = std::max(kLeastMatchSteps, kStepsPerByte * text.size());
  pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(std::min<std::size_t>(steps, UINT32_MAX)));
  pcre2_set_heap_limit(context.get(), kMatchHeapKib);
  std::string known;
  const bool has_new = replace_new_characters(text, known);
  const auto subject = reinterpret_cast<PCRE2_SPTR>(has_new ? known.data() : text.data());
  const auto match_from = [&](std::size_t at) {
    const int result =
        pcre2_match(code_->code.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    // The JIT's stack is small and fixed; the interpreter's is the heap, up to the limit.
    if (result != PCRE2_ERROR_JIT_STACKLIMIT) return result;
    return pcre2_match(code_->code.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data.get(),
                       context.get());
  };
  std::size_t at = 0;
  std::size_t last_end = std::string_view::npos;
  while (at <= text.size()) {
    const int result = match_from(at);
    if (result == PCRE2_ERROR_NOMATCH) return;
    if (result < 0) {
      fail(ErrorKind::limit, "{}: the regular expression needs too many steps on this text (PCRE2 error {})", where_,
           result);
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
    // A \K inside a lookaround can put the start behind the end or before the search; no tokenizer means that.
    if (bounds[0] > bounds[1] || bounds[0] < at) {
      fail(ErrorKind::unsupported, "{}: the regular expression moves the start of its match", where_);
    }
    if (bounds[0] == bounds[1] && bounds[1] == last_end) {
      at += at < text.size() ? char_length(text[at]) : 1;
      continue;
    }
    matches.push_back({bounds[0], bounds[1]});
    at = last_end = bounds[1];
  }
}

}  // namespace bitnet::text
