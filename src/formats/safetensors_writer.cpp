#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <string_view>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/quote_name.h"
#include "formats/safetensors.h"

namespace bitnet::formats {
namespace {

/// As a JSON string.
std::string escaped(const std::string& text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    fail(ErrorKind::invalid_argument, "a name or metadata text for a safetensors file is not UTF-8");
  }
}

/// The place of a dtype in the data, as the reference library orders it: the largest elements first, so that every
/// tensor starts at a multiple of its element size.
std::size_t data_rank(DType dtype) {
  static constexpr DType kOrder[] = {DType::u64, DType::i64,  DType::f64,    DType::f32, DType::u32,
                                     DType::i32, DType::bf16, DType::f16,    DType::u16, DType::i16,
                                     DType::i8,  DType::u8,   DType::boolean};
  return static_cast<std::size_t>(std::find(std::begin(kOrder), std::end(kOrder), dtype) - std::begin(kOrder));
}

std::size_t size_in_bytes(const StreamedTensor& tensor) {
  return static_cast<std::size_t>(tensor.shape.element_count()) * size_of(tensor.dtype);
}

/// The JSON header for data in this order, padded with spaces so that the data starts at a multiple of 8.
std::string make_header(const std::vector<const StreamedTensor*>& order, const SafetensorsMetadata& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) text += escaped(key) + ":" + escaped(value) + ",";
    text.back() = '}';
    text += ',';
  }
  std::set<std::string_view> names = {"__metadata__"};
  std::size_t begin = 0;
  for (const StreamedTensor* tensor : order) {
    if (!names.insert(tensor->name).second) {
      fail(ErrorKind::invalid_argument, "two entries of a safetensors file would be called {}",
           quote_name(tensor->name));
    }
    const std::size_t end = begin + size_in_bytes(*tensor);
    text += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}},)", escaped(tensor->name),
                        name_of(tensor->dtype), fmt::join(tensor->shape.dims(), ","), begin, end);
    begin = end;
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kSafetensorsMaxHeader) {
    fail(ErrorKind::limit, "a safetensors file would have {} bytes of metadata; no more than {} can be read back",
         text.size(), kSafetensorsMaxHeader);
  }
  return text;
}

}  // namespace

void stream_safetensors(const std::filesystem::path& path, std::span<const StreamedTensor> tensors,
                        const SafetensorsMetadata& metadata) {
  std::vector<const StreamedTensor*> order;
  for (const StreamedTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const StreamedTensor* a, const StreamedTensor* b) {
    const std::size_t rank_a = data_rank(a->dtype);
    const std::size_t rank_b = data_rank(b->dtype);
    return rank_a != rank_b ? rank_a < rank_b : a->name < b->name;
  });
  const std::string header = make_header(order, metadata);
  std::byte length[8];
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(std::uint64_t{header.size()} >> (8 * i));

  AtomicFile file(path);
  file.write(length);
  file.write(std::as_bytes(std::span(header)));
  for (const StreamedTensor* tensor : order) {
    std::size_t written = 0;
    tensor->produce([&](std::span<const std::byte> piece) {
      written += piece.size();
      file.write(piece);
    });
    if (written != size_in_bytes(*tensor)) {
      fail(ErrorKind::invalid_argument, "tensor {} of a safetensors file has {} bytes; {} were given",
           quote_name(tensor->name), size_in_bytes(*tensor), written);
    }
  }
  file.commit();
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata) {
  std::vector<StreamedTensor> streamed;
  for (const auto& [name, view] : tensors) {
    streamed.push_back({name, view.dtype, view.shape, [bytes = view.bytes()](const auto& write) { write(bytes); }});
  }
  stream_safetensors(path, streamed, metadata);
}

}  // namespace bitnet::formats
