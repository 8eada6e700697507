// Any bytes are a valid safetensors file or Error(corrupt); a valid file can be read in full.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "bitnet/error.h"
#include "formats/safetensors.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read(std::span<const std::byte> bytes) {
  try {
    const bitnet::formats::SafetensorsFile file(bytes, "fuzz");
    for (const auto& entry : file.entries()) {
      require(file.find(entry.name) == &entry);
      const std::span<const std::byte> in_file = bytes.subspan(entry.offset, entry.view.size_bytes());
      require(in_file.empty() || std::memcmp(in_file.data(), entry.view.data, in_file.size()) == 0);
      if (entry.view.dtype == bitnet::DType::f32) (void)entry.view.as<float>();
      if (entry.view.dtype <= bitnet::DType::bf16) (void)bitnet::to_f32(entry.view);
    }
  } catch (const bitnet::Error& error) {
    require(error.kind() == bitnet::ErrorKind::corrupt);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  read(input);
  // The same bytes as the header of a file with 24 bytes of data: a random input seldom gets the length right.
  std::vector<std::byte> file(8 + size + 24);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::byte>(std::uint64_t{size} >> (8 * i));
  if (size != 0) std::memcpy(file.data() + 8, data, size);
  read(file);
  return 0;
}
