/// Input: a tokenizer.json, a zero byte, a text. Without a zero byte, or when the json is refused, the whole input is
/// text for a fixed tokenizer that uses every kind of component.

#include <cstdint>
#include <string>
#include <string_view>

#include "bitnet/error.h"
#include "bitnet/tokenizer.h"

namespace {

constexpr std::string_view kFixed = R"({
  "added_tokens": [
    {"id": 8, "content": "<s>", "special": true, "normalized": false},
    {"id": 9, "content": " <w> ", "single_word": true, "normalized": false},
    {"id": 10, "content": "<l", "lstrip": true, "normalized": false},
    {"id": 11, "content": "r>", "rstrip": true, "normalized": true},
    {"id": 12, "content": "É", "normalized": true}],
  "normalizer": {"type": "Sequence", "normalizers": [
    {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": "\\s\\s+|q*"}, "content": " "},
    {"type": "Strip", "strip_left": true, "strip_right": false}, {"type": "Prepend", "prepend": "▁"}]},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "(?i:'s|ſt)|\\p{N}{1,3}+|\\s+(?!\\S)|\\b"}, "behavior": "MergedWithNext",
     "invert": false},
    {"type": "Digits", "individual_digits": false},
    {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]},
  "post_processor": {"type": "Sequence", "processors": [
    {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": false},
    {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
      {"Sequence": {"id": "A", "type_id": 0}}],
     "special_tokens": {"<s>": {"id": "<s>", "ids": [8], "tokens": ["<s>"]}}}]},
  "decoder": {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 2}]},
  "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
    "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3, "aa": 4, "▁": 5, "<0xC3>": 6, "<0xA9>": 7},
    "merges": ["a b", ["a", "a"]]}})";

void use(const bitnet::Tokenizer& tokenizer, std::string_view text) {
  const auto encoding = tokenizer.encode_with_offsets(text, true);
  if (encoding.ids.size() != encoding.offsets.size()) __builtin_trap();
  for (const bool skip : {false, true}) {
    bitnet::StreamingDecoder decoder(tokenizer, skip);
    std::string streamed;
    for (const auto id : encoding.ids) streamed += decoder.push(id);
    streamed += decoder.flush();
    if (streamed != tokenizer.decode(encoding.ids, skip)) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bitnet::Tokenizer fixed = bitnet::Tokenizer::from_json(kFixed, "fixed");
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = input.find('\0');
  try {
    if (zero != std::string_view::npos) {
      use(bitnet::Tokenizer::from_json(input.substr(0, zero), "fuzzed"), input.substr(zero + 1));
      return 0;
    }
  } catch (const bitnet::Error&) {
  }
  try {
    use(fixed, input);
  } catch (const bitnet::Error&) {
  }
  return 0;
}
