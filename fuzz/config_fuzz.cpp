// Any text as config.json and as generation_config.json: a value or an Error, never anything else.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "bitnet/error.h"
#include "bitnet/model_config.h"
#include "bitnet/settings.h"
#include "model/tensor_names.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    (void)bitnet::model::tensor_rules(bitnet::ModelConfig::from_json(text, "config.json"));
  } catch (const bitnet::Error&) {  // what a bad file must cause
  }
  try {
    bitnet::InferenceSettings settings;
    settings.apply_json(text, "generation_config.json", true);
    settings.validate();
  } catch (const bitnet::Error&) {
  }
  return 0;
}
