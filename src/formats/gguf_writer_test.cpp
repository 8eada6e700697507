#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "base/rng.h"
#include "base/text_file.h"
#include "formats/gguf.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet::formats {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryFolder;

constexpr GgufType kWritable[] = {GgufType::f32,  GgufType::f16,   GgufType::q4_0,  GgufType::q8_0, GgufType::q6_k,
                                  GgufType::bf16, GgufType::tq1_0, GgufType::tq2_0, GgufType::i2_s, GgufType::q2_0};

/// Writes `bytes` in pieces of 100.
GgufWriteTensor in_pieces(std::string name, GgufType type, const Shape& shape, std::vector<std::byte> bytes) {
  return {std::move(name), type, shape, [bytes = std::move(bytes)](const auto& write) {
            for (std::size_t at = 0; at < bytes.size(); at += 100) {
              write(std::span(bytes).subspan(at, std::min<std::size_t>(100, bytes.size() - at)));
            }
          }};
}

TEST(WriteGguf, GivesTheseBytes) {
  using namespace std::string_literals;
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.gguf";
  const std::vector<GgufWriteEntry> metadata = {{"a", std::string("bc")},
                                                {"n", std::uint32_t{0x01020304}},
                                                {"s", std::vector<std::string>{"x", ""}},
                                                {"f", true}};
  const std::vector<GgufWriteTensor> tensors = {
      in_pieces("w", GgufType::f16, {2, 3}, std::vector<std::byte>(12, std::byte{'#'})),
      in_pieces("v", GgufType::f32, {1}, std::vector<std::byte>(4, std::byte{'+'}))};
  write_gguf(path, metadata, tensors);
  const auto u64 = [](char low) { return std::string(1, low) + "\0\0\0\0\0\0\0"s; };
  const auto u32 = [](char low) { return std::string(1, low) + "\0\0\0"s; };
  std::string expected = "GGUF"s + u32(3) + u64(2) + u64(4);
  expected += u64(1) + "a" + u32(8) + u64(2) + "bc";
  expected += u64(1) + "n" + u32(4) + "\4\3\2\1";
  expected += u64(1) + "s" + u32(9) + u32(8) + u64(2) + u64(1) + "x" + u64(0);
  expected += u64(1) + "f" + u32(7) + "\1";
  expected += u64(1) + "w" + u32(2) + u64(3) + u64(2) + u32(1) + u64(0);
  expected += u64(1) + "v" + u32(1) + u64(1) + u32(0) + u64(32);
  expected.resize((expected.size() + 31) / 32 * 32);
  expected += std::string(12, '#') + std::string(20, '\0') + std::string(4, '+') + std::string(28, '\0');
  EXPECT_EQ(read_text_file(path, 1 << 20), expected);
}

TEST(WriteGguf, RefusesWhatCannotBeReadAndWritesNothing) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.gguf";
  const std::vector<std::byte> bytes(128);
  const auto refuse = [&](std::string_view part, const std::vector<GgufWriteEntry>& metadata,
                          const std::vector<GgufWriteTensor>& tensors) {
    expect_error(ErrorKind::invalid_argument, {part}, [&] { write_gguf(path, metadata, tensors); });
  };
  const auto f32 = in_pieces("a", GgufType::f32, {32}, bytes);
  refuse("key \"k\"", {{"k", true}, {"k", true}}, {});
  refuse("general.alignment", {{"general.alignment", std::uint32_t{32}}}, {});
  refuse("tensor \"a\"", {}, {f32, f32});
  refuse("63 bytes", {}, {in_pieces(std::string(64, 'x'), GgufType::f32, {32}, bytes)});
  refuse("[2, 2, 8]; expected one or two", {}, {in_pieces("a", GgufType::f32, {2, 2, 8}, bytes)});
  refuse("[0, 4]", {}, {in_pieces("a", GgufType::f32, {0, 4}, {})});
  refuse("[]; expected one", {}, {in_pieces("a", GgufType::f32, {}, bytes)});
  refuse("[33]; Q8_0 takes blocks of 32", {}, {in_pieces("a", GgufType::q8_0, {33}, bytes)});
  refuse("\"a\" was given 128 bytes; F32 [33] takes 132", {}, {in_pieces("a", GgufType::f32, {33}, bytes)});
  refuse("\"a\" was given 128 bytes; F32 [31] takes 124", {}, {in_pieces("a", GgufType::f32, {31}, bytes)});
  refuse("128 weights a scale", {}, {in_pieces("a", GgufType::q2_0_128, {128}, bytes)});
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  expect_error(ErrorKind::io, {"missing/file"}, [&] { write_gguf(folder.path() / "missing/file", {}, {}); });
}

RC_GTEST_PROP(WriteGguf, ReadsBackWhatWasWritten, ()) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.gguf";
  Rng rng(*rc::gen::arbitrary<std::uint64_t>());
  const auto text = *rc::gen::arbitrary<std::string>();
  const auto words = *rc::gen::arbitrary<std::vector<std::string>>();
  const auto numbers = *rc::gen::arbitrary<std::vector<std::int32_t>>();
  const std::vector<GgufWriteEntry> metadata = {{"text", text},
                                                {"words", words},
                                                {"numbers", numbers},
                                                {"scores", std::vector<float>{0.5F, -2.0F}},
                                                {"i", std::int32_t{-1}},
                                                {"u", ~std::uint64_t{0}},
                                                {"f", 0.25F}};
  std::vector<GgufWriteTensor> tensors;
  std::vector<std::vector<std::byte>> contents;
  const auto count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) {
    const GgufType type = kWritable[*rc::gen::inRange<std::size_t>(0, std::size(kWritable))];
    const Shape shape = {*rc::gen::inRange<std::int64_t>(2, 5),
                         gguf_block(type) * *rc::gen::inRange<std::int64_t>(1, 4)};
    std::vector<std::byte>& bytes = contents.emplace_back(gguf_bytes(type, shape[0], shape[1]));
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng.next());
    tensors.push_back(in_pieces("layer." + std::to_string(i), type, shape, bytes));
  }
  write_gguf(path, metadata, tensors);

  const GgufFile file(path);
  RC_ASSERT(std::get<std::string_view>(*file.value("text")) == text);
  RC_ASSERT(std::ranges::equal(std::get<std::vector<std::string_view>>(*file.value("words")), words));
  RC_ASSERT(std::ranges::equal(std::get<std::vector<std::int64_t>>(*file.value("numbers")), numbers));
  RC_ASSERT(std::get<std::vector<float>>(*file.value("scores")) == (std::vector<float>{0.5F, -2.0F}));
  RC_ASSERT(file.integer_or("i", 0, -1, 0) == -1);
  RC_ASSERT(std::get<std::uint64_t>(*file.value("u")) == ~std::uint64_t{0});
  RC_ASSERT(file.number_or("f", 0, 0, 1) == 0.25);
  RC_ASSERT(file.tensors().size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const GgufTensor* tensor = file.find(tensors[i].name);
    RC_ASSERT(tensor != nullptr);
    RC_ASSERT(tensor->type == tensors[i].type);
    RC_ASSERT(tensor->shape == tensors[i].shape);
    RC_ASSERT(std::ranges::equal(tensor->bytes, contents[i]));
  }
}

}  // namespace
}  // namespace bitnet::formats
