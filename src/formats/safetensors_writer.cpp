#include <algorithm>
#include <cstdint>

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

/// The JSON header: __metadata__, then the tensors by name, padded with spaces. Offsets follow `data_order`.
std::string make_header(const std::vector<const NamedTensor*>& data_order, const SafetensorsMetadata& metadata) {
  std::vector<std::pair<const NamedTensor*, std::size_t>> placed;
  std::size_t offset = 0;
  for (const NamedTensor* tensor : data_order) {
    placed.emplace_back(tensor, offset);
    offset += tensor->view.size_bytes();
  }
  std::sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.first->name < b.first->name; });
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) text += escaped(key) + ":" + escaped(value) + ",";
    text.back() = '}';
    text += ',';
  }
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const auto& [tensor, begin] = placed[i];
    const TensorView& view = tensor->view;
    if (tensor->name == "__metadata__" || (i > 0 && tensor->name == placed[i - 1].first->name)) {
      fail(ErrorKind::invalid_argument, "two entries of a safetensors file would be called {}",
           quote_name(tensor->name));
    }
    text += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}},)", escaped(tensor->name),
                        name_of(view.dtype), fmt::join(view.shape.dims(), ","), begin, begin + view.size_bytes());
  }
  if (text.back() == ',') text.pop_back();
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data then starts at a multiple of 8
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const std::size_t size_a = size_of(a->view.dtype);
    const std::size_t size_b = size_of(b->view.dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  const std::string header = make_header(order, metadata);
  std::byte length[8];
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(std::uint64_t{header.size()} >> (8 * i));

  AtomicFile file(path);
  file.write(length);
  file.write(std::as_bytes(std::span(header)));
  for (const NamedTensor* tensor : order) file.write(tensor->view.bytes());
  file.commit();
}

}  // namespace bitnet::formats
