#include "formats/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "base/fail.h"
#include "base/quote_name.h"

namespace bitnet::formats {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kLengthBytes = 8;

/// What the header says about one tensor. Offsets count from the first byte after the header.
struct Declared {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin;
  std::uint64_t end;
};

/// Reads the JSON header of the file that is called `source` in messages.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string source) : source_(std::move(source)) {
    if (text.empty() || text.front() != '{') corrupt("the header does not begin with '{{'");
    const simdjson::padded_string padded(text);
    dom::parser parser;
    dom::object root;
    if (const auto error = parser.parse(padded).get(root)) {
      corrupt("the header is not a valid JSON object: {}", simdjson::error_message(error));
    }
    bool has_metadata = false;
    for (const dom::key_value_pair field : root) {
      if (field.key != "__metadata__") {
        declared.push_back(read_tensor(field.key, field.value));
      } else if (std::exchange(has_metadata, true)) {
        corrupt("the header has __metadata__ twice");
      } else {
        read_metadata(field.value);
      }
    }
  }

  std::vector<Declared> declared;
  SafetensorsMetadata metadata;

 private:
  template <typename... Args>
  [[noreturn]] void corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::corrupt, "{}: {}", source_, fmt::format(format, std::forward<Args>(args)...));
  }

  void read_metadata(dom::element value) {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) corrupt("__metadata__ is not an object");
    for (const dom::key_value_pair field : object) {
      std::string_view text;
      if (field.value.get(text) != simdjson::SUCCESS) {
        corrupt("__metadata__ {} is not a string", quote_name(field.key));
      }
      if (!metadata.emplace(field.key, text).second) corrupt("__metadata__ has {} twice", quote_name(field.key));
    }
  }

  Declared read_tensor(std::string_view name, dom::element value) const {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) corrupt("tensor {} is not described by an object", quote_name(name));
    std::optional<DType> dtype;
    std::optional<Shape> shape;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> offsets;
    for (const dom::key_value_pair field : object) {
      bool first = true;
      if (field.key == "dtype") {
        first = !std::exchange(dtype, read_dtype(name, field.value)).has_value();
      } else if (field.key == "shape") {
        first = !std::exchange(shape, read_shape(name, field.value)).has_value();
      } else if (field.key == "data_offsets") {
        first = !std::exchange(offsets, read_offsets(name, field.value)).has_value();
      } else {
        corrupt("tensor {} has the field {}; expected dtype, shape and data_offsets", quote_name(name),
                quote_name(field.key));
      }
      if (!first) corrupt("tensor {} has {} twice", quote_name(name), field.key);
    }
    if (!dtype || !shape || !offsets) {
      corrupt("tensor {} lacks {}", quote_name(name), !dtype ? "dtype" : !shape ? "shape" : "data_offsets");
    }
    return {std::string(name), *dtype, *shape, offsets->first, offsets->second};
  }

  DType read_dtype(std::string_view name, dom::element value) const {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) corrupt("tensor {}: dtype is not a string", quote_name(name));
    const std::optional<DType> dtype = parse_dtype(text);
    if (dtype) return *dtype;
    std::vector<std::string_view> known;
    for (const DTypeInfo& info : kDTypes) known.push_back(info.name);
    corrupt("tensor {} has the dtype {}; expected one of {}", quote_name(name), quote_name(text),
            fmt::join(known, ", "));
  }

  Shape read_shape(std::string_view name, dom::element value) const {
    dom::array array;
    if (value.get(array) != simdjson::SUCCESS) corrupt("tensor {}: shape is not an array", quote_name(name));
    std::vector<std::int64_t> dims;
    for (const dom::element element : array) {
      std::int64_t dim = 0;
      if (element.get(dim) != simdjson::SUCCESS) {
        corrupt("tensor {}: shape holds something that is not a 64-bit integer", quote_name(name));
      }
      dims.push_back(dim);
    }
    try {
      return Shape(dims);
    } catch (const Error& error) {
      corrupt("tensor {}: {}", quote_name(name), error.what());
    }
  }

  std::pair<std::uint64_t, std::uint64_t> read_offsets(std::string_view name, dom::element value) const {
    dom::array array;
    std::vector<std::uint64_t> offsets;
    bool good = value.get(array) == simdjson::SUCCESS && array.size() == 2;
    if (good) {
      for (const dom::element element : array) {
        std::uint64_t offset = 0;
        good = good && element.get(offset) == simdjson::SUCCESS;
        offsets.push_back(offset);
      }
    }
    if (!good) corrupt("tensor {}: data_offsets are not two non-negative integers", quote_name(name));
    return {offsets[0], offsets[1]};
  }

  std::string source_;
};

/// Every tensor has the bytes that its dtype and shape ask for, and together they cover the data part of the file
/// once: no hole, no overlap, nothing after the last one. `declared` is sorted by name.
void check_layout(const std::vector<Declared>& declared, std::uint64_t data_bytes, const std::string& source) {
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const Declared& tensor = declared[i];
    if (i > 0 && tensor.name == declared[i - 1].name) {
      fail(ErrorKind::corrupt, "{}: the header has tensor {} twice", source, quote_name(tensor.name));
    }
    if (tensor.begin > tensor.end || tensor.end > data_bytes) {
      fail(ErrorKind::corrupt, "{}: tensor {} has data_offsets [{}, {}]; the file has {} bytes of data", source,
           quote_name(tensor.name), tensor.begin, tensor.end, data_bytes);
    }
    const std::uint64_t expected = static_cast<std::uint64_t>(tensor.shape.element_count()) * size_of(tensor.dtype);
    if (tensor.end - tensor.begin != expected) {
      fail(ErrorKind::corrupt, "{}: tensor {} has {} bytes of data; {} {} needs {}", source, quote_name(tensor.name),
           tensor.end - tensor.begin, name_of(tensor.dtype), to_string(tensor.shape), expected);
    }
  }
  std::vector<const Declared*> by_offset;
  by_offset.reserve(declared.size());
  for (const Declared& tensor : declared) by_offset.push_back(&tensor);
  std::sort(by_offset.begin(), by_offset.end(), [](const Declared* a, const Declared* b) {
    return std::tie(a->begin, a->end, a->name) < std::tie(b->begin, b->end, b->name);
  });
  std::uint64_t covered = 0;
  for (const Declared* tensor : by_offset) {
    if (tensor->begin != covered) {
      fail(ErrorKind::corrupt, "{}: tensor {} begins at data byte {}, the one before it ends at {}: they {}", source,
           quote_name(tensor->name), tensor->begin, covered, tensor->begin < covered ? "overlap" : "leave a hole");
    }
    covered = tensor->end;
  }
  if (covered != data_bytes) {
    fail(ErrorKind::corrupt, "{}: the tensors end at data byte {}; the file goes on to {}", source, covered,
         data_bytes);
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path), path_(path) { parse(file_.bytes()); }

SafetensorsFile::SafetensorsFile(std::span<const std::byte> bytes, std::string name) : path_(std::move(name)) {
  parse(bytes);
}

void SafetensorsFile::parse(std::span<const std::byte> bytes) {
  const std::string source = path_.string();
  if (bytes.size() < kLengthBytes) {
    fail(ErrorKind::corrupt, "{}: has {} bytes; a safetensors file has at least {}", source, bytes.size(),
         kLengthBytes);
  }
  std::uint64_t header_bytes = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) header_bytes |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (header_bytes > kSafetensorsMaxHeader || header_bytes > bytes.size() - kLengthBytes) {
    fail(ErrorKind::corrupt, "{}: the header length is {}; {} bytes follow it, and at most {} are accepted", source,
         header_bytes, bytes.size() - kLengthBytes, kSafetensorsMaxHeader);
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data() + kLengthBytes);
  HeaderReader header({text, static_cast<std::size_t>(header_bytes)}, source);
  std::vector<Declared>& declared = header.declared;
  std::sort(declared.begin(), declared.end(), [](const Declared& a, const Declared& b) { return a.name < b.name; });
  const std::size_t data_begin = kLengthBytes + static_cast<std::size_t>(header_bytes);
  check_layout(declared, bytes.size() - data_begin, source);

  metadata_ = std::move(header.metadata);
  entries_.reserve(declared.size());
  for (Declared& tensor : declared) {
    const std::size_t offset = data_begin + static_cast<std::size_t>(tensor.begin);
    TensorView view{bytes.data() + offset, tensor.dtype, tensor.shape};
    if (reinterpret_cast<std::uintptr_t>(view.data) % size_of(view.dtype) != 0) {
      const AlignedBuffer& copy = copies_.emplace_back(view.size_bytes());
      if (view.size_bytes() != 0) std::memcpy(copy.data(), view.data, view.size_bytes());
      view.data = copy.data();
    }
    entries_.push_back({std::move(tensor.name), view, offset});
  }
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const noexcept {
  const auto at =
      std::lower_bound(entries_.begin(), entries_.end(), name,
                       [](const SafetensorsEntry& entry, std::string_view key) { return entry.name < key; });
  return at != entries_.end() && at->name == name ? &*at : nullptr;
}

std::optional<std::size_t> SafetensorsFile::mapped_offset(const TensorView& view) const noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(file_.bytes().data());
  const auto data = reinterpret_cast<std::uintptr_t>(view.data);
  if (data < begin || data - begin >= file_.bytes().size()) return std::nullopt;
  return data - begin;
}

void SafetensorsFile::read(const TensorView& view, std::size_t offset, std::span<std::byte> into) const {
  if (const auto begin = mapped_offset(view)) {
    file_.read(*begin + offset, into);
  } else {
    std::copy_n(view.data + offset, into.size(), into.begin());
  }
}

void SafetensorsFile::release(const TensorView& view) const noexcept {
  if (const auto begin = mapped_offset(view)) file_.release(*begin, view.size_bytes());
}

}  // namespace bitnet::formats
