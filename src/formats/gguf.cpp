#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "base/fail.h"
#include "base/quote_name.h"
#include "formats/gguf_header.h"

namespace bitnet::formats {
namespace {

std::int64_t cols_of(const Shape& shape) { return shape[shape.rank() - 1]; }

/// Where a tensor lies among the others.
struct Place {
  GgufDeclared* tensor;
  const GgufDeclared* next;  ///< null for the last one
  std::uint64_t room;        ///< bytes up to the next tensor or the end of the file
};

/// In the order of the data.
std::vector<Place> places_of(std::vector<GgufDeclared>& tensors, std::uint64_t data_bytes, std::uint64_t alignment,
                             const std::string& source) {
  std::vector<Place> places;
  for (GgufDeclared& tensor : tensors) {
    if (tensor.offset >= data_bytes) {
      fail(ErrorKind::corrupt, "{}: tensor {} begins at data byte {}; the file has {} bytes of data", source,
           quote_name(tensor.name), tensor.offset, data_bytes);
    }
    if (tensor.offset % alignment != 0) {
      fail(ErrorKind::corrupt, "{}: tensor {} begins at data byte {}; expected a multiple of the alignment {}", source,
           quote_name(tensor.name), tensor.offset, alignment);
    }
    places.push_back({&tensor, nullptr, data_bytes - tensor.offset});
  }
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.tensor->offset < b.tensor->offset; });
  for (std::size_t i = 1; i < places.size(); ++i) {
    places[i - 1].next = places[i].tensor;
    places[i - 1].room = places[i].tensor->offset - places[i - 1].tensor->offset;
  }
  return places;
}

bool has_whole_blocks(const Place& place, GgufType type) {
  const Shape& shape = place.tensor->shape;
  const std::int64_t weights = type == GgufType::i2_s ? shape.element_count() : cols_of(shape);
  return weights % gguf_block(type) == 0;
}

std::uint64_t bytes_of(const Place& place, GgufType type) {
  const std::int64_t cols = cols_of(place.tensor->shape);
  return gguf_bytes(type, place.tensor->shape.element_count() / cols, cols);
}

/// One number, 42, stands for two forms of q2_0. A file has one of them: the first that all its tensors have room for.
void tell_q2_0_apart(std::span<const Place> places) {
  const auto all_fit = [&](GgufType type) {
    return std::all_of(places.begin(), places.end(), [&](const Place& place) {
      return place.tensor->type != GgufType::q2_0 ||
             (has_whole_blocks(place, type) && bytes_of(place, type) <= place.room);
    });
  };
  if (all_fit(GgufType::q2_0) || !all_fit(GgufType::q2_0_128)) return;
  for (const Place& place : places) {
    if (place.tensor->type == GgufType::q2_0) place.tensor->type = GgufType::q2_0_128;
  }
}

void check_place(const Place& place, const std::string& source) {
  const GgufDeclared& tensor = *place.tensor;
  if (!has_whole_blocks(place, tensor.type)) {
    fail(ErrorKind::corrupt, "{}: tensor {} has the shape {}; {} needs a multiple of {} {}", source,
         quote_name(tensor.name), to_string(tensor.shape), name_of(tensor.type), gguf_block(tensor.type),
         tensor.type == GgufType::i2_s ? "weights" : "columns");
  }
  const std::uint64_t bytes = bytes_of(place, tensor.type);
  if (bytes <= place.room) return;
  const std::string what =
      fmt::format("{}: tensor {} ({} {}) needs {} bytes at data byte {}", source, quote_name(tensor.name),
                  name_of(tensor.type), to_string(tensor.shape), bytes, tensor.offset);
  if (place.next == nullptr) fail(ErrorKind::corrupt, "{}; the file ends after {}", what, place.room);
  fail(ErrorKind::corrupt, "{}; tensor {} begins after {}: they overlap", what, quote_name(place.next->name),
       place.room);
}

/// For messages.
std::string describe(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          return quote_name(v);
        } else if constexpr (std::is_arithmetic_v<T>) {
          return fmt::format("{}", v);
        } else {
          return fmt::format("an array of {} values", v.size());
        }
      },
      value);
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : file_(path), path_(path) { parse(file_.bytes()); }

GgufFile::GgufFile(std::span<const std::byte> bytes, std::string name) : path_(std::move(name)) { parse(bytes); }

void GgufFile::parse(std::span<const std::byte> bytes) {
  const std::string source = path_.string();
  GgufHeader header = read_gguf_header(bytes, source);
  metadata_ = std::move(header.metadata);
  index_metadata();
  const auto alignment = static_cast<std::uint64_t>(
      integer_or(kGgufAlignmentKey, kGgufAlignment, 1, std::numeric_limits<std::uint32_t>::max()));
  if (!std::has_single_bit(alignment)) {
    fail(ErrorKind::corrupt, "{}: key \"{}\" is {}; expected a power of two", source, kGgufAlignmentKey, alignment);
  }
  const std::uint64_t data_begin = (header.bytes + alignment - 1) / alignment * alignment;
  const std::uint64_t data_bytes = bytes.size() - std::min<std::uint64_t>(data_begin, bytes.size());

  const std::vector<Place> places = places_of(header.tensors, data_bytes, alignment, source);
  tell_q2_0_apart(places);
  tensors_.reserve(places.size());
  for (const Place& place : places) {
    check_place(place, source);
    GgufDeclared& tensor = *place.tensor;
    tensors_.push_back({std::move(tensor.name), tensor.type, tensor.shape,
                        bytes.subspan(static_cast<std::size_t>(data_begin + tensor.offset),
                                      static_cast<std::size_t>(bytes_of(place, tensor.type)))});
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors_.begin(), tensors_.end(),
                                        [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice != tensors_.end())
    fail(ErrorKind::corrupt, "{}: tensor {} is there twice", source, quote_name(twice->name));
}

void GgufFile::index_metadata() {
  by_key_.resize(metadata_.size());
  std::iota(by_key_.begin(), by_key_.end(), std::size_t{0});
  std::sort(by_key_.begin(), by_key_.end(),
            [&](std::size_t a, std::size_t b) { return metadata_[a].key < metadata_[b].key; });
  const auto twice = std::adjacent_find(by_key_.begin(), by_key_.end(), [&](std::size_t a, std::size_t b) {
    return metadata_[a].key == metadata_[b].key;
  });
  if (twice != by_key_.end()) {
    fail(ErrorKind::corrupt, "{}: key {} is there twice", path_.string(), quote_name(metadata_[*twice].key));
  }
}

const GgufTensor* GgufFile::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const GgufTensor& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

const GgufValue* GgufFile::value(std::string_view key) const noexcept {
  const auto at = std::lower_bound(by_key_.begin(), by_key_.end(), key,
                                   [&](std::size_t i, std::string_view k) { return metadata_[i].key < k; });
  return at != by_key_.end() && metadata_[*at].key == key ? &metadata_[*at].value : nullptr;
}

void GgufFile::bad_value(std::string_view key, const GgufValue& value, std::string_view expected) const {
  fail(ErrorKind::corrupt, "{}: key {} is {}; expected {}", path_.string(), quote_name(key), describe(value), expected);
}

const std::string_view* GgufFile::text(std::string_view key) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return nullptr;
  const auto* text = std::get_if<std::string_view>(found);
  if (text == nullptr) bad_value(key, *found, "a string");
  return text;
}

std::int64_t GgufFile::integer_or(std::string_view key, std::int64_t otherwise, std::int64_t low,
                                  std::int64_t high) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return otherwise;
  if (const auto* i = std::get_if<std::int64_t>(found); i != nullptr && *i >= low && *i <= high) return *i;
  if (const auto* u = std::get_if<std::uint64_t>(found);
      u != nullptr && std::cmp_greater_equal(*u, low) && std::cmp_less_equal(*u, high)) {
    return static_cast<std::int64_t>(*u);
  }
  bad_value(key, *found, fmt::format("an integer from {} to {}", low, high));
}

double GgufFile::number_or(std::string_view key, double otherwise, double low, double high) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return otherwise;
  const double* real = std::get_if<double>(found);
  const auto* i = std::get_if<std::int64_t>(found);
  const auto* u = std::get_if<std::uint64_t>(found);
  const double number = real != nullptr ? *real
                        : i != nullptr  ? static_cast<double>(*i)
                        : u != nullptr  ? static_cast<double>(*u)
                                        : std::numeric_limits<double>::quiet_NaN();
  if (!(number >= low && number <= high)) bad_value(key, *found, fmt::format("a number from {} to {}", low, high));
  return number;
}

bool GgufFile::boolean_or(std::string_view key, bool otherwise) const {
  const GgufValue* found = value(key);
  if (found == nullptr) return otherwise;
  const bool* boolean = std::get_if<bool>(found);
  if (boolean == nullptr) bad_value(key, *found, "true or false");
  return *boolean;
}

void GgufFile::read(const GgufTensor& tensor, std::size_t offset, std::span<std::byte> into) const {
  file_.read(static_cast<std::size_t>(tensor.bytes.data() - file_.bytes().data()) + offset, into);
}

void GgufFile::release(const GgufTensor& tensor) const noexcept {
  file_.release(static_cast<std::size_t>(tensor.bytes.data() - file_.bytes().data()), tensor.bytes.size());
}

}  // namespace bitnet::formats
