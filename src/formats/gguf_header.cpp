#include "formats/gguf_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/fail.h"
#include "base/quote_name.h"

namespace bitnet::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "values are copied out of the file as they lie there");

// The least that an entry or a tensor takes in the file: bounds what a count may claim.
constexpr std::size_t kLeastEntry = 8 + 4 + 1;
constexpr std::size_t kLeastTensor = 8 + 4 + 8 + 4 + 8;
constexpr std::uint32_t kMaxDims = 4;

/// A type as it is kept: integers as 64 bits, floats as double.
template <typename T>
using Kept =
    std::conditional_t<std::is_same_v<T, bool> || std::is_same_v<T, std::string_view>, T,
                       std::conditional_t<std::is_floating_point_v<T>, double,
                                          std::conditional_t<std::is_unsigned_v<T>, std::uint64_t, std::int64_t>>>;
template <typename T>
using KeptInArray = std::conditional_t<std::is_floating_point_v<T>, float, Kept<T>>;

/// Bytes that one value takes in the file at least.
template <typename T>
constexpr std::size_t kLeastBytes = std::is_same_v<T, std::string_view> ? 8 : sizeof(T);

class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& source)
      : file_(file.first(std::min(file.size(), kGgufMaxHeader))), file_size_(file.size()), source_(source) {}

  GgufHeader read() {
    check_version();
    const std::uint64_t tensors = count("tensors", kLeastTensor);
    const std::uint64_t entries = count("metadata entries", kLeastEntry);
    GgufHeader header;
    for (std::uint64_t i = 0; i < entries; ++i) {
      where_ = fmt::format("metadata entry {}", i);
      std::string key(take<std::string_view>());
      where_ = fmt::format("key {}", quote_name(key));
      GgufValue value = take_value();
      header.metadata.push_back({std::move(key), std::move(value)});
    }
    for (std::uint64_t i = 0; i < tensors; ++i) {
      where_ = fmt::format("tensor description {}", i);
      header.tensors.push_back(take_tensor());
    }
    header.bytes = at_;
    return header;
  }

 private:
  template <typename... Args>
  [[noreturn]] void fail_here(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) const {
    fail(kind, "{}: {}: {}", source_, where_, fmt::format(format, std::forward<Args>(args)...));
  }

  void check_version() {
    where_ = "header";
    const std::span<const std::byte> magic = take_bytes(kGgufMagic.size());
    if (std::memcmp(magic.data(), kGgufMagic.data(), magic.size()) != 0) {
      fail_here(ErrorKind::corrupt, "the file does not begin with GGUF");
    }
    const auto version = take<std::uint32_t>();
    if (version == 2 || version == 3) return;
    if (version != 0 && (version & 0xffffU) == 0) {
      fail_here(ErrorKind::unsupported, "the file is big-endian; expected a little-endian one of version 2 or 3");
    }
    fail_here(ErrorKind::unsupported, "the version is {}; expected 2 or 3", version);
  }

  std::uint64_t count(std::string_view what, std::size_t least) {
    where_ = fmt::format("number of {}", what);
    const auto n = take<std::uint64_t>();
    need(n, least);
    return n;
  }

  /// `n` things of `least` bytes or more follow.
  void need(std::uint64_t n, std::size_t least) const {
    if (n <= (file_.size() - at_) / least) return;
    const std::size_t left = file_size_ - at_;
    if (n <= left / least) {
      fail_here(ErrorKind::limit, "the header goes on after byte {}, the most that is accepted", file_.size());
    }
    if (least == 1)
      fail_here(ErrorKind::corrupt, "{} bytes should follow at byte {}; the file has {} more", n, at_, left);
    fail_here(ErrorKind::corrupt, "{} times {} bytes or more should follow at byte {}; the file has {} more", n, least,
              at_, left);
  }

  std::span<const std::byte> take_bytes(std::uint64_t n) {
    need(n, 1);
    const auto bytes = file_.subspan(at_, static_cast<std::size_t>(n));
    at_ += bytes.size();
    return bytes;
  }

  template <typename T>
  T take() {
    if constexpr (std::is_same_v<T, std::string_view>) {
      const std::span<const std::byte> text = take_bytes(take<std::uint64_t>());
      return {reinterpret_cast<const char*>(text.data()), text.size()};
    } else if constexpr (std::is_same_v<T, bool>) {
      const auto byte = take<std::uint8_t>();
      if (byte > 1) fail_here(ErrorKind::corrupt, "byte {} is {}; expected 0 or 1 for a boolean", at_ - 1, byte);
      return byte == 1;
    } else {
      T value;
      std::memcpy(&value, take_bytes(sizeof value).data(), sizeof value);
      return value;
    }
  }

  /// f of the C++ type of a single value; `type` is the number that the file has.
  template <typename F>
  GgufValue with_type(std::uint32_t type, F f) {
    switch (static_cast<GgufValueType>(type)) {
      case GgufValueType::u8:
        return f.template operator()<std::uint8_t>();
      case GgufValueType::i8:
        return f.template operator()<std::int8_t>();
      case GgufValueType::u16:
        return f.template operator()<std::uint16_t>();
      case GgufValueType::i16:
        return f.template operator()<std::int16_t>();
      case GgufValueType::u32:
        return f.template operator()<std::uint32_t>();
      case GgufValueType::i32:
        return f.template operator()<std::int32_t>();
      case GgufValueType::f32:
        return f.template operator()<float>();
      case GgufValueType::boolean:
        return f.template operator()<bool>();
      case GgufValueType::string:
        return f.template operator()<std::string_view>();
      case GgufValueType::u64:
        return f.template operator()<std::uint64_t>();
      case GgufValueType::i64:
        return f.template operator()<std::int64_t>();
      case GgufValueType::f64:
        return f.template operator()<double>();
      case GgufValueType::array:
        fail_here(ErrorKind::unsupported, "holds an array of arrays; expected numbers, booleans or strings");
    }
    fail_here(ErrorKind::corrupt, "has the value type {}; expected 0 to 12", type);
  }

  GgufValue take_value() {
    const auto type = take<std::uint32_t>();
    if (type == static_cast<std::uint32_t>(GgufValueType::array)) return take_array();
    return with_type(type, [&]<typename T>() -> GgufValue { return static_cast<Kept<T>>(take<T>()); });
  }

  GgufValue take_array() {
    const auto type = take<std::uint32_t>();
    return with_type(type, [&]<typename T>() -> GgufValue {
      const auto n = take<std::uint64_t>();
      need(n, kLeastBytes<T>);
      std::vector<KeptInArray<T>> values;
      values.reserve(static_cast<std::size_t>(n));
      for (std::uint64_t i = 0; i < n; ++i) values.push_back(static_cast<KeptInArray<T>>(take<T>()));
      return values;
    });
  }

  GgufDeclared take_tensor() {
    GgufDeclared tensor;
    tensor.name = take<std::string_view>();
    where_ = fmt::format("tensor {}", quote_name(tensor.name));
    tensor.shape = take_shape();
    const auto number = take<std::uint32_t>();
    const GgufTypeInfo* info = find_gguf_type(number);
    if (info == nullptr) {
      fail_here(ErrorKind::unsupported, "has elements of type {}; supported are {}", number, supported_gguf_types());
    }
    tensor.type = info->type;
    tensor.offset = take<std::uint64_t>();
    return tensor;
  }

  Shape take_shape() {
    const auto rank = take<std::uint32_t>();
    if (rank < 1 || rank > kMaxDims) {
      fail_here(ErrorKind::corrupt, "has {} dimensions; expected 1 to {}", rank, kMaxDims);
    }
    std::vector<std::int64_t> dims;  // the file's fastest dimension first
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto dim = take<std::uint64_t>();
      if (dim < 1 || dim > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        fail_here(ErrorKind::corrupt, "dimension {} is {}; expected 1 to 2^63 - 1", i, dim);
      }
      dims.push_back(static_cast<std::int64_t>(dim));
    }
    while (dims.size() > 1 && dims.back() == 1) dims.pop_back();
    std::reverse(dims.begin(), dims.end());
    Shape shape;
    try {
      shape = Shape(std::span<const std::int64_t>(dims));
    } catch (const Error& error) {
      fail_here(ErrorKind::corrupt, "{}", error.what());
    }
    if (dims.size() > 2) {
      fail_here(ErrorKind::unsupported, "has the shape {}; expected one or two dimensions", to_string(shape));
    }
    return shape;
  }

  std::span<const std::byte> file_;  // as much of it as may be header
  std::size_t file_size_;
  const std::string& source_;
  std::size_t at_ = 0;
  std::string where_;  // what is being read, for messages
};

}  // namespace

GgufHeader read_gguf_header(std::span<const std::byte> file, const std::string& source) {
  return Reader(file, source).read();
}

}  // namespace bitnet::formats
