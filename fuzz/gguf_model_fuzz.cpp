/// Any bytes are a GGUF model that can be opened and looked at, or a bitnet::Error: configuration, tensors and their
/// scales, tokenizer, chat template.

#include <cstddef>
#include <cstdint>
#include <span>

#include "bitnet/error.h"
#include "bitnet/tokenizer.h"
#include "loading/gguf_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using bitnet::model::TensorKind;
  const auto ignore_error = [](const auto& call) {
    try {
      call();
    } catch (const bitnet::Error&) {
    }
  };
  ignore_error([&] {
    bitnet::loading::GgufModel model(bitnet::formats::GgufFile(std::as_bytes(std::span(data, size)), "fuzz"), {});
    ignore_error([&] {
      if (const auto json = model.companion("tokenizer.json")) {
        (void)bitnet::Tokenizer::from_json(*json, "fuzz").encode("Once upon a time, 12 \xc3\xa9", true);
      }
    });
    ignore_error([&] { (void)model.companion("tokenizer_config.json"); });
    (void)bitnet::loading::check_all(model, {});
    bitnet::loading::for_each_field(model.config(), [&](const auto& rule, std::int64_t layer) {
      ignore_error([&] {
        if (rule.kind == TensorKind::norm) (void)model.norm(rule, layer);
        if (rule.kind == TensorKind::dense) (void)model.dense(rule);
        if (rule.kind == TensorKind::linear) (void)model.linear(rule, layer);
      });
    });
  });
  return 0;
}
