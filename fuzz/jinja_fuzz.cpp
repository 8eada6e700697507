// A chat template is a program that a stranger wrote: whatever its bytes, it renders or it is a bitnet::Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bitnet/error.h"
#include "text/jinja/template.h"

namespace {

const bitnet::Json& variables() {
  static const bitnet::Json json = bitnet::parse_json(
      R"({"messages": [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": "2+2? é 日本 😀"},
          {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdef123", "type": "function",
            "function": {"name": "add", "arguments": {"a": 1, "b": 2.5, "c": [true, null]}}}]},
          {"role": "tool", "content": "4", "tool_call_id": "abcdef123"}, {"role": "user", "content": "Thanks\n"}],
          "tools": [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}],
          "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>"})",
      "variables");
  return json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bitnet::jinja::Limits limits;
  limits.steps = 20'000;  // keeps a run short; the bounds themselves have tests
  limits.memory = std::size_t{4} << 20;
  try {
    const std::string_view source(reinterpret_cast<const char*>(data), size);
    (void)bitnet::jinja::Template(source, "fuzz").render(variables(), {}, limits);
  } catch (const bitnet::Error&) {
  }
  return 0;
}
