#include "formats/gguf.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/text_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet::formats {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryFolder;

/// A file put together by hand; texts get their lengths.
struct GgufText {
  std::string text;

  template <typename T>
  GgufText& put(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufText& put(const char* value) {
    put<std::uint64_t>(std::strlen(value));
    text += value;
    return *this;
  }
  GgufText& start(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
    text += "GGUF";
    return put(version).put(tensors).put(entries);
  }
  GgufText& entry(const char* key, std::uint32_t type) { return put(key).put(type); }
  GgufText& array(const char* key, std::uint32_t type, std::uint64_t count) {
    return entry(key, 9).put(type).put(count);
  }
  /// `dims` as the file has them, the fastest first.
  GgufText& tensor(const char* name, const std::vector<std::uint64_t>& dims, std::uint32_t type, std::uint64_t offset) {
    put(name).put(static_cast<std::uint32_t>(dims.size()));
    for (const std::uint64_t dim : dims) put(dim);
    return put(type).put(offset);
  }
  /// Pads to a multiple of `alignment`; then bytes 0, 1, 2 ….
  GgufText& data(std::size_t bytes, std::size_t alignment = 32) {
    text.resize((text.size() + alignment - 1) / alignment * alignment);
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(i);
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return std::as_bytes(std::span(text)); }
};

template <typename T>
T value_of(const GgufFile& file, std::string_view key) {
  const GgufValue* value = file.value(key);
  EXPECT_NE(value, nullptr) << key;
  return std::get<T>(*value);
}

GgufText good_file() {
  GgufText file;
  file.start(3, 15);
  file.entry("u8", 0).put<std::uint8_t>(200).entry("i8", 1).put<std::int8_t>(-3);
  file.entry("u16", 2).put<std::uint16_t>(60000).entry("i16", 3).put<std::int16_t>(-300);
  file.entry("u32", 4).put<std::uint32_t>(4000000000).entry("i32", 5).put<std::int32_t>(-5);
  file.entry("f32", 6).put(0.5F).entry("yes", 7).put(true).entry("text", 8).put("h\xc3\xa9");
  file.entry("u64", 10).put<std::uint64_t>(~0ULL).entry("i64", 11).put<std::int64_t>(-7).entry("f64", 12).put(0.25);
  file.array("words", 8, 2).put("a").put("");
  file.array("numbers", 1, 3).put<std::int8_t>(1).put<std::int8_t>(-1).put<std::int8_t>(2);
  file.array("none", 6, 0);
  file.tensor("b.weight", {128, 2}, 36, 32).tensor("a", {3, 1, 1}, 0, 0).tensor("c", {2, 4, 1, 1}, 1, 128);
  return file.data(128 + 16);
}

TEST(GgufFile, ReadsTensorsAndMetadata) {
  const GgufText text = good_file();
  const GgufFile file(text.bytes(), "good");
  ASSERT_EQ(file.metadata().size(), 15U);
  EXPECT_EQ(file.metadata()[2].key, "u16");
  EXPECT_EQ(value_of<std::uint64_t>(file, "u8"), 200U);
  EXPECT_EQ(value_of<std::int64_t>(file, "i8"), -3);
  EXPECT_EQ(value_of<std::uint64_t>(file, "u16"), 60000U);
  EXPECT_EQ(value_of<std::int64_t>(file, "i16"), -300);
  EXPECT_EQ(value_of<std::uint64_t>(file, "u32"), 4000000000U);
  EXPECT_EQ(value_of<std::uint64_t>(file, "u64"), ~0ULL);
  EXPECT_EQ(value_of<double>(file, "f32"), 0.5);
  EXPECT_EQ(value_of<double>(file, "f64"), 0.25);
  EXPECT_EQ(value_of<std::vector<std::string_view>>(file, "words"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(value_of<std::vector<std::int64_t>>(file, "numbers"), (std::vector<std::int64_t>{1, -1, 2}));
  EXPECT_TRUE(value_of<std::vector<float>>(file, "none").empty());
  EXPECT_EQ(file.value("more"), nullptr);

  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.find("a")->shape, Shape{3});
  EXPECT_EQ(file.find("b.weight")->type, GgufType::i2_s);
  EXPECT_EQ(file.find("b.weight")->shape, (Shape{2, 128}));
  EXPECT_EQ(file.find("b.weight")->bytes.size(), 2U * 32 + 32);
  EXPECT_EQ(file.find("b.weight")->bytes[0], std::byte{32});
  EXPECT_EQ(file.find("c")->shape, (Shape{4, 2}));
  EXPECT_EQ(file.find("c")->bytes[15], std::byte{143});
  EXPECT_EQ(file.find("b"), nullptr);
}

TEST(GgufFile, GivesTypedValues) {
  const GgufText text = good_file();
  const GgufFile file(text.bytes(), "good");
  EXPECT_EQ(*file.text("text"), "h\xc3\xa9");
  EXPECT_EQ(file.text("more"), nullptr);
  EXPECT_EQ(file.integer_or("u8", 0, 0, 200), 200);
  EXPECT_EQ(file.integer_or("i64", 0, -7, 0), -7);
  EXPECT_EQ(file.integer_or("more", 9, 0, 1), 9);
  EXPECT_EQ(file.number_or("f64", 0, 0, 1), 0.25);
  EXPECT_EQ(file.number_or("i32", 0, -5, 1), -5.0);
  EXPECT_TRUE(file.boolean_or("yes", false));
  EXPECT_TRUE(file.boolean_or("more", true));
  expect_error(ErrorKind::corrupt, {"good: key \"u8\" is 200; expected a string"}, [&] { (void)file.text("u8"); });
  expect_error(ErrorKind::corrupt, {"\"u8\" is 200; expected an integer from 0 to 199"},
               [&] { (void)file.integer_or("u8", 0, 0, 199); });
  expect_error(ErrorKind::corrupt, {"\"i8\" is -3; expected an integer from -2"},
               [&] { (void)file.integer_or("i8", 0, -2, 9); });
  expect_error(ErrorKind::corrupt, {"\"u64\" is 18446744073709551615"},
               [&] { (void)file.integer_or("u64", 0, -1, INT64_MAX); });
  expect_error(ErrorKind::corrupt, {"\"f32\" is 0.5; expected an integer"},
               [&] { (void)file.integer_or("f32", 0, 0, 1); });
  expect_error(ErrorKind::corrupt, {"\"yes\" is true; expected a number from 0 to 2"},
               [&] { (void)file.number_or("yes", 0, 0, 2); });
  expect_error(ErrorKind::corrupt, {"\"words\" is an array of 2 values; expected true or false"},
               [&] { (void)file.boolean_or("words", false); });
}

TEST(GgufFile, ReadsVersionTwoOtherAlignmentsAndFilesWithoutTensors) {
  GgufText aligned;
  aligned.start(1, 1, 2).entry("general.alignment", 4).put<std::uint32_t>(128).tensor("t", {4}, 0, 0).data(16, 128);
  EXPECT_EQ(GgufFile(aligned.bytes(), "x").find("t")->bytes.data(), aligned.bytes().data() + aligned.text.size() - 16);
  GgufText empty;
  EXPECT_TRUE(GgufFile(empty.start(0, 0).bytes(), "x").tensors().empty());
}

TEST(GgufFile, TellsTheTwoFormsOfType42Apart) {
  const auto types = [](std::uint64_t first_cols, std::uint64_t second_cols, std::uint64_t second_offset,
                        std::size_t data_bytes) {
    GgufText text;
    text.start(2, 0).tensor("a", {first_cols, 8}, 42, 0).tensor("b", {second_cols, 8}, 42, second_offset);
    const GgufFile file(text.data(data_bytes).bytes(), "x");
    EXPECT_EQ(file.find("a")->bytes.size(), gguf_bytes(file.find("a")->type, 8, static_cast<std::int64_t>(first_cols)));
    return std::pair(file.find("a")->type, file.find("b")->type);
  };
  const auto small = std::pair(GgufType::q2_0, GgufType::q2_0);
  const auto large = std::pair(GgufType::q2_0_128, GgufType::q2_0_128);
  // 8 · 256 weights: 576 bytes with 64 a block, 544 with 128. One decision for the file.
  EXPECT_EQ(types(256, 256, 576, 576 + 576), small);
  EXPECT_EQ(types(256, 256, 544, 544 + 544), large);
  EXPECT_EQ(types(256, 256, 576, 576 + 544), large);
  EXPECT_EQ(types(256, 256, 544, 544 + 576), large);
  EXPECT_EQ(types(64, 64, 160, 160 + 144), small);  // not whole blocks of 128
  EXPECT_EQ(types(128, 128, 288, 288 + 288), small);
  for (const std::size_t bytes : {576U + 100U, 544U + 543U}) {
    expect_error(ErrorKind::corrupt, {"tensor \"b\" (Q2_0 [8, 256]) needs 576 bytes"},
                 [&] { types(256, 256, 576, bytes); });
  }
  expect_error(ErrorKind::corrupt, {"tensor \"a\" (Q2_0 [8, 192]) needs 432 bytes", "\"b\" begins after 416"},
               [&] { types(192, 192, 416, 416 + 432); });
}

TEST(GgufFile, SaysWhatIsWrong) {
  using Kind = ErrorKind;
  struct Case {
    Kind kind;
    GgufText file;
    std::string_view part;
  };
  const auto with_entry = [](auto fill) {
    GgufText file;
    fill(file.start(0, 1));
    return file;
  };
  const auto with_tensor = [](const std::vector<std::uint64_t>& dims, std::uint32_t type, std::uint64_t offset,
                              std::size_t bytes) {
    GgufText file;
    return file.start(1, 0).tensor("t", dims, type, offset).data(bytes);
  };
  const auto with_two = [](const char* second, std::uint64_t offset) {
    GgufText file;
    return file.start(2, 0).tensor("t", {16}, 0, 0).tensor(second, {8}, 0, offset).data(128);
  };
  const std::vector<Case> cases = {
      // What is not a file of a version that is read.
      {Kind::corrupt, GgufText{}, "header: 4 bytes should follow at byte 0; the file has 0 more"},
      {Kind::corrupt, GgufText{"GGML   "}, "does not begin with GGUF"},
      {Kind::unsupported, GgufText{}.start(0, 0, 1), "the version is 1; expected 2 or 3"},
      {Kind::unsupported, GgufText{}.start(0, 0, 4), "the version is 4"},
      {Kind::unsupported, GgufText{}.start(0, 0, 0x03000000), "big-endian"},
      // Counts that the file cannot hold.
      {Kind::corrupt, GgufText{}.start(~0ULL, 0), "number of tensors: 18446744073709551615 times 32 bytes"},
      {Kind::corrupt, GgufText{}.start(0, 1ULL << 60), "number of metadata entries: 1152921504606846976 times"},
      {Kind::corrupt, GgufText{}.start(0, 1), "number of metadata entries: 1 times 13 bytes"},
      {Kind::corrupt, with_entry([](auto& f) { f.put(~0ULL).put(1ULL); }), "metadata entry 0: 18446744073709551615"},
      {Kind::corrupt, with_entry([](auto& f) { f.entry("k", 8).put(99ULL); }), "key \"k\": 99 bytes should follow"},
      {Kind::corrupt, with_entry([](auto& f) { f.array("k", 4, 1ULL << 62).put(1); }),
       "key \"k\": 4611686018427387904"},
      {Kind::corrupt, with_entry([](auto& f) { f.array("k", 8, 2).put(8ULL).put(0); }), "2 times 8 bytes or more"},
      {Kind::corrupt, with_entry([](auto& f) { f.array("k", 8, 1).put(5ULL).put(0); }), "5 bytes should follow"},
      // Values.
      {Kind::corrupt, with_entry([](auto& f) { f.entry("k", 13).put(1ULL); }), "key \"k\": has the value type 13"},
      {Kind::corrupt, with_entry([](auto& f) { f.array("k", 77, 0); }), "key \"k\": has the value type 77"},
      {Kind::unsupported, with_entry([](auto& f) { f.array("k", 9, 1); }), "key \"k\": holds an array of arrays"},
      {Kind::corrupt, with_entry([](auto& f) { f.entry("k", 7).put('\2'); }), "is 2; expected 0 or 1 for a boolean"},
      {Kind::corrupt, GgufText{}.start(0, 2).entry("k", 7).put('\1').entry("k", 7).put('\1'), "\"k\" is there twice"},
      {Kind::corrupt, with_entry([](auto& f) { f.entry("general.alignment", 4).put(24); }),
       "\"general.alignment\" is 24; expected a power of two"},
      {Kind::corrupt, with_entry([](auto& f) { f.entry("general.alignment", 4).put(0); }),
       "\"general.alignment\" is 0"},
      {Kind::corrupt, with_entry([](auto& f) { f.entry("general.alignment", 8).put("32"); }),
       "\"general.alignment\" is \"32\"; expected an integer"},
      // Tensors.
      {Kind::corrupt, with_tensor({}, 0, 0, 64), "tensor \"t\": has 0 dimensions"},
      {Kind::corrupt, with_tensor({1, 1, 1, 1, 1}, 0, 0, 64), "tensor \"t\": has 5 dimensions"},
      {Kind::corrupt, with_tensor({4, 0}, 0, 0, 64), "tensor \"t\": dimension 1 is 0"},
      {Kind::corrupt, with_tensor({1ULL << 63}, 0, 0, 64), "tensor \"t\": dimension 0 is 9223372036854775808"},
      {Kind::corrupt, with_tensor({1U << 20, 1U << 20, 1U << 20, 1U << 20}, 0, 0, 64), "2^60"},
      {Kind::unsupported, with_tensor({2, 2, 2}, 0, 0, 64), "has the shape [2, 2, 2]; expected one or two"},
      {Kind::unsupported, with_tensor({2, 1, 1, 3}, 0, 0, 64), "has the shape [3, 1, 1, 2]"},
      {Kind::unsupported, with_tensor({256}, 12, 0, 256), "type 12; supported are F32 (0), F16 (1), Q4_0 (2)"},
      {Kind::unsupported, with_tensor({256}, 1042, 0, 256), "type 1042; supported are"},
      {Kind::corrupt, with_tensor({48}, 8, 0, 64), "\"t\" has the shape [48]; Q8_0 needs a multiple of 32 columns"},
      {Kind::corrupt, with_tensor({32, 5}, 36, 0, 256), "[5, 32]; I2_S needs a multiple of 128 weights"},
      {Kind::corrupt, with_tensor({128}, 36, 0, 63),
       "(I2_S [128]) needs 64 bytes at data byte 0; the file ends after 63"},
      {Kind::corrupt, with_tensor({(1ULL << 60) - 1}, 0, 0, 64), "needs 4611686018427387900 bytes"},
      {Kind::corrupt, with_tensor({4}, 0, 64, 64), "begins at data byte 64; the file has 64 bytes of data"},
      {Kind::corrupt, with_tensor({4}, 0, ~0ULL, 64), "begins at data byte 18446744073709551615"},
      {Kind::corrupt, with_tensor({4}, 0, 16, 64), "at data byte 16; expected a multiple of the alignment 32"},
      {Kind::corrupt, with_two("u", 32),
       "\"t\" (F32 [16]) needs 64 bytes at data byte 0; tensor \"u\" begins after 32"},
      {Kind::corrupt, with_two("u", 0), "they overlap"},
      {Kind::corrupt, with_two("t", 64), "tensor \"t\" is there twice"},
  };
  for (const auto& [kind, file, part] : cases) {
    SCOPED_TRACE(part);
    expect_error(kind, {"bad.gguf: ", part}, [&file = file] { GgufFile(file.bytes(), "bad.gguf"); });
  }
}

TEST(GgufFile, EveryTruncationIsAnError) {
  const GgufText text = good_file();
  for (std::size_t size = 0; size < text.text.size(); ++size) {
    expect_error(ErrorKind::corrupt, {"cut: "}, [&] { GgufFile(text.bytes().first(size), "cut"); });
  }
}

TEST(GgufFile, BoundsTheHeaderAndReadsAndReleasesMappedTensors) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.gguf";
  const GgufText text = good_file();
  write_file_atomically(path, text.bytes());
  GgufFile first(path);
  const GgufFile file = std::move(first);
  std::vector<std::byte> read(10);
  const GgufTensor& tensor = *file.find("b.weight");
  file.read(tensor, 86, read);
  EXPECT_TRUE(std::ranges::equal(read, tensor.bytes.subspan(86)));
  file.release(tensor);
  EXPECT_EQ(tensor.bytes[1], std::byte{33});

  GgufText large;
  write_file_atomically(path, large.start(0, 1).array("k", 0, 150'000'000).bytes());
  std::filesystem::resize_file(path, 200'000'000);  // long enough, and sparse
  expect_error(ErrorKind::limit, {path.string(), "key \"k\"", "goes on after byte 100000000"}, [&] { GgufFile{path}; });
  expect_error(ErrorKind::not_found, {"none.gguf"}, [&] { GgufFile(folder.path() / "none.gguf"); });
}

RC_GTEST_PROP(GgufFile, DamagedBytesGiveAnErrorOrAValidFile, ()) {
  GgufText text = good_file();
  const auto damages = *rc::gen::inRange(1, 6);
  for (int i = 0; i < damages; ++i) {
    text.text[*rc::gen::inRange<std::size_t>(0, text.text.size() - 144)] = *rc::gen::arbitrary<char>();
  }
  try {
    const GgufFile file(text.bytes(), "damaged");
    RC_ASSERT(file.tensors().size() <= 3U);
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unsupported);
  }
}

}  // namespace
}  // namespace bitnet::formats
