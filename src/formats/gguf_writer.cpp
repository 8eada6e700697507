#include <algorithm>
#include <cstring>
#include <set>
#include <type_traits>

#include "base/atomic_file.h"
#include "base/fail.h"
#include "base/quote_name.h"
#include "formats/gguf_header.h"

namespace bitnet::formats {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::size_t kLongestName = 63;

std::size_t padded(std::size_t bytes) { return (bytes + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment; }

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

template <typename T>
constexpr GgufValueType value_type() {
  if constexpr (std::is_same_v<T, bool>) return GgufValueType::boolean;
  if constexpr (std::is_same_v<T, std::uint32_t>) return GgufValueType::u32;
  if constexpr (std::is_same_v<T, std::int32_t>) return GgufValueType::i32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return GgufValueType::u64;
  if constexpr (std::is_same_v<T, float>) return GgufValueType::f32;
  if constexpr (std::is_same_v<T, std::string>) return GgufValueType::string;
  return GgufValueType::array;
}

class HeaderText {
 public:
  template <typename T>
  void put(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      put(std::uint64_t{value.size()});
      text += value;
    } else {
      text.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
  }
  void put(const GgufWriteValue& value) {
    std::visit(
        [&]<typename T>(const T& v) {
          put(value_type<T>());
          if constexpr (IsVector<T>::value) {
            put(value_type<typename T::value_type>());
            put(std::uint64_t{v.size()});
            for (const auto& element : v) put(element);
          } else {
            put(v);
          }
        },
        value);
  }

  std::string text;
};

std::size_t written_bytes(const GgufWriteTensor& tensor) {
  const Shape& shape = tensor.shape;
  const bool matrix = shape.rank() == 1 || shape.rank() == 2;
  if (!matrix || shape.element_count() == 0) {
    fail(ErrorKind::invalid_argument, "tensor {} has the shape {}; expected one or two dimensions, none of them 0",
         quote_name(tensor.name), to_string(shape));
  }
  const std::int64_t cols = shape[shape.rank() - 1];
  if ((tensor.type == GgufType::i2_s ? shape.element_count() : cols) % gguf_block(tensor.type) != 0) {
    fail(ErrorKind::invalid_argument, "tensor {} has the shape {}; {} takes blocks of {}", quote_name(tensor.name),
         to_string(shape), name_of(tensor.type), gguf_block(tensor.type));
  }
  return gguf_bytes(tensor.type, shape.element_count() / cols, cols);
}

void check_names(std::span<const GgufWriteEntry> metadata, std::span<const GgufWriteTensor> tensors) {
  std::set<std::string_view> keys = {kGgufAlignmentKey};
  for (const GgufWriteEntry& entry : metadata) {
    if (!keys.insert(entry.key).second) {
      fail(ErrorKind::invalid_argument, "key {} of a GGUF file is there twice, or the writer's own",
           quote_name(entry.key));
    }
  }
  std::set<std::string_view> names;
  for (const GgufWriteTensor& tensor : tensors) {
    if (tensor.name.size() > kLongestName || !names.insert(tensor.name).second) {
      fail(ErrorKind::invalid_argument, "tensor {} of a GGUF file is there twice, or has more than {} bytes of name",
           quote_name(tensor.name), kLongestName);
    }
    if (tensor.type == GgufType::q2_0_128) {
      fail(ErrorKind::invalid_argument, "tensor {} cannot be written with 128 weights a scale; expected 64",
           quote_name(tensor.name));
    }
  }
}

std::string make_header(std::span<const GgufWriteEntry> metadata, std::span<const GgufWriteTensor> tensors) {
  HeaderText header;
  header.text = kGgufMagic;
  header.put(kVersion);
  header.put(std::uint64_t{tensors.size()});
  header.put(std::uint64_t{metadata.size()});
  for (const GgufWriteEntry& entry : metadata) {
    header.put(entry.key);
    header.put(entry.value);
  }
  std::uint64_t offset = 0;
  for (const GgufWriteTensor& tensor : tensors) {
    header.put(tensor.name);
    header.put(static_cast<std::uint32_t>(tensor.shape.rank()));
    for (std::size_t i = tensor.shape.rank(); i-- > 0;) header.put(tensor.shape[i]);
    header.put(tensor.type);
    header.put(offset);
    offset += padded(written_bytes(tensor));
  }
  header.text.resize(padded(header.text.size()));
  if (header.text.size() > kGgufMaxHeader) {
    fail(ErrorKind::limit, "a GGUF file would have {} bytes of metadata; no more than {} can be read back",
         header.text.size(), kGgufMaxHeader);
  }
  return std::move(header.text);
}

}  // namespace

void write_gguf(const std::filesystem::path& path, std::span<const GgufWriteEntry> metadata,
                std::span<const GgufWriteTensor> tensors) {
  check_names(metadata, tensors);
  const std::string header = make_header(metadata, tensors);
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(header)));
  for (const GgufWriteTensor& tensor : tensors) {
    const std::size_t bytes = written_bytes(tensor);
    std::size_t written = 0;
    tensor.produce([&](std::span<const std::byte> piece) {
      written += piece.size();
      if (written <= bytes) file.write(piece);
    });
    if (written != bytes) {
      fail(ErrorKind::invalid_argument, "tensor {} was given {} bytes; {} {} takes {}", quote_name(tensor.name),
           written, name_of(tensor.type), to_string(tensor.shape), bytes);
    }
    static constexpr std::byte kPadding[kGgufAlignment] = {};
    file.write(std::span(kPadding).first(padded(bytes) - bytes));
  }
  file.commit();
}

}  // namespace bitnet::formats
