// Any bytes are a valid GGUF file or an error of the kinds that its header names; a valid file can be read in full.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "bitnet/error.h"
#include "formats/gguf.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using bitnet::ErrorKind;
  const auto input = std::as_bytes(std::span(data, size));
  try {
    const bitnet::formats::GgufFile file(input, "fuzz");
    std::size_t total = 0;
    for (const auto& tensor : file.tensors()) {
      require(file.find(tensor.name) == &tensor);
      require(tensor.bytes.data() >= input.data() && tensor.bytes.size() != 0);
      total += tensor.bytes.size();
      (void)*static_cast<const volatile std::byte*>(&tensor.bytes.back());
    }
    require(total <= size);
    for (const auto& [key, value] : file.metadata()) require(file.value(key) == &value);
    (void)file.number_or("n", 0, 0, 1e9);
    (void)file.integer_or("n", 0, 0, 9);
    (void)file.boolean_or("b", false);
    (void)file.text("s");
  } catch (const bitnet::Error& error) {
    require(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unsupported);
  }
  return 0;
}
