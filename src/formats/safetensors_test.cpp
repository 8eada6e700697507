#include "formats/safetensors.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/text_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/tensor.h"

namespace bitnet::formats {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryFolder;
using Bytes = std::vector<std::byte>;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A file with this header text and `data_bytes` bytes 0, 1, 2 … of data.
Bytes make_file(std::string_view header, std::size_t data_bytes) {
  std::string file;
  for (std::size_t i = 0; i < 8; ++i) file += static_cast<char>(std::uint64_t{header.size()} >> (8 * i));
  file += header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  const auto bytes = bytes_of(file);
  return {bytes.begin(), bytes.end()};
}

constexpr const char* kGood = R"({"__metadata__":{"format":"pt","note":"é"},)"
                              R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},)"
                              R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
                              R"("none":{"dtype":"I64","shape":[0,5],"data_offsets":[8,8]},)"
                              R"("scalar":{"dtype":"BOOL","shape":[],"data_offsets":[11,12]}}   )";

TEST(SafetensorsFile, ReadsTensorsAndMetadata) {
  const Bytes bytes = make_file(kGood, 12);
  const SafetensorsFile file(bytes, "good");
  ASSERT_EQ(file.entries().size(), 4U);
  EXPECT_EQ(file.entries()[0].name, "a");
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"format", "pt"}, {"note", "é"}}));
  const SafetensorsEntry* b = file.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->view.shape, Shape{3});
  EXPECT_EQ(b->view.as<std::uint8_t>()[2], 10);
  EXPECT_EQ(b->offset, 8 + std::strlen(kGood) + 8);
  EXPECT_EQ(b->view.data, bytes.data() + b->offset);
  EXPECT_EQ(file.find("none")->view.as<std::int64_t>().size(), 0U);
  EXPECT_EQ(file.find("scalar")->view.as<std::uint8_t>()[0], 11);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.find(""), nullptr);
}

TEST(SafetensorsFile, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(SafetensorsFile(make_file("{}", 0), "empty").entries().empty());
}

TEST(SafetensorsFile, MisalignedTensorsCanBeReadAsTheirType) {
  const Bytes bytes = make_file(R"({"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                R"("w":{"dtype":"U32","shape":[2],"data_offsets":[1,9]}})",
                                9);
  for (std::size_t shift = 0; shift < 4; ++shift) {
    Bytes moved(bytes.size() + 4);
    std::ranges::copy(bytes, moved.begin() + static_cast<std::ptrdiff_t>(shift));
    SafetensorsFile first{std::span(moved).subspan(shift, bytes.size()), "shifted"};
    const SafetensorsFile file = std::move(first);
    EXPECT_EQ(file.find("w")->view.as<std::uint32_t>()[0], 0x04030201U);
    EXPECT_EQ(file.find("w")->view.as<std::uint32_t>()[1], 0x08070605U);
    file.release(file.find("w")->view);  // not in a mapped file: nothing to drop
  }
}

std::string tensor(std::string_view fields) { return "{\"t\":{" + std::string(fields) + "}}"; }

TEST(SafetensorsFile, SaysWhatIsWrong) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      // What is not a header.
      {"", {"does not begin with '{'"}},
      {" {}", {"does not begin with '{'"}},
      {"[]", {"does not begin with '{'"}},
      {"\xef\xbb\xbf{}", {"does not begin with '{'"}},
      {"{", {"not a valid JSON object"}},
      {"{}{}", {"not a valid JSON object"}},
      {"{\"\xff\":1}", {"not a valid JSON object", "UTF-8"}},
      {"{\"a\":}", {"not a valid JSON object"}},
      {"{\"a\":" + std::string(100'000, '['), {"not a valid JSON object"}},
      // Metadata.
      {R"({"__metadata__":[]})", {"__metadata__ is not an object"}},
      {R"({"__metadata__":{"n":5}})", {"__metadata__ \"n\" is not a string"}},
      {R"({"__metadata__":{"n":"1","n":"1"}})", {"__metadata__ has \"n\" twice"}},
      {R"({"__metadata__":{},"__metadata__":{}})", {"has __metadata__ twice"}},
      // A tensor's fields.
      {R"({"t":5})", {"tensor \"t\" is not described by an object"}},
      {tensor(R"("shape":[8],"data_offsets":[0,8])"), {"tensor \"t\" lacks dtype"}},
      {tensor(R"("dtype":"U8","data_offsets":[0,8])"), {"tensor \"t\" lacks shape"}},
      {tensor(R"("dtype":"U8","shape":[8])"), {"tensor \"t\" lacks data_offsets"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[0,8],"dtype":"U8")"), {"\"t\" has dtype twice"}},
      {tensor(R"("dtype":"U8","shape":[8],"shape":[8],"data_offsets":[0,8])"), {"\"t\" has shape twice"}},
      {tensor(R"("data_offsets":[0,8],"dtype":"U8","shape":[8],"data_offsets":[0,8])"), {"has data_offsets twice"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[0,8],"x":0)"), {"tensor \"t\" has the field \"x\""}},
      {tensor(R"("dtype":8,"shape":[8],"data_offsets":[0,8])"), {"\"t\": dtype is not a string"}},
      {tensor(R"("dtype":"Q8","shape":[8],"data_offsets":[0,8])"), {"\"t\" has the dtype \"Q8\"", "BF16", "BOOL"}},
      {tensor(R"("dtype":"U8","shape":8,"data_offsets":[0,8])"), {"\"t\": shape is not an array"}},
      {tensor(R"("dtype":"U8","shape":[8.0],"data_offsets":[0,8])"), {"\"t\": shape holds something"}},
      {tensor(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,8])"), {"\"t\": shape holds something"}},
      {tensor(R"("dtype":"U8","shape":[-8],"data_offsets":[0,8])"), {"\"t\"", "[-8] has a negative dimension"}},
      {tensor(R"("dtype":"U8","shape":[-2,-4],"data_offsets":[0,8])"), {"\"t\"", "[-2, -4] has a negative dimension"}},
      {tensor(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"), {"\"t\"", "2^60"}},
      {tensor(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,8],"data_offsets":[0,8])"), {"\"t\"", "9 dimensions"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[0])"), {"\"t\": data_offsets are not two"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[0,8,8])"), {"\"t\": data_offsets are not two"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[-8,0])"), {"\"t\": data_offsets are not two"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":{})"), {"\"t\": data_offsets are not two"}},
      // Data that does not fit.
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[8,0])"), {"\"t\" has data_offsets [8, 0]", "8 bytes"}},
      {tensor(R"("dtype":"U8","shape":[9],"data_offsets":[0,9])"), {"\"t\" has data_offsets [0, 9]", "8 bytes"}},
      {tensor(R"("dtype":"U8","shape":[8],"data_offsets":[9,17])"), {"\"t\" has data_offsets [9, 17]", "8 bytes"}},
      {tensor(R"("dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,0])"), {"[18446744073709551615, 0]"}},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), {"\"t\" has 8 bytes of data; F32 [1] needs 4"}},
      {tensor(R"("dtype":"F32","shape":[0],"data_offsets":[0,8])"), {"\"t\" has 8 bytes of data; F32 [0] needs 0"}},
      {tensor(R"("dtype":"F64","shape":[1152921504606846975],"data_offsets":[0,8])"), {"needs 9223372036854775800"}},
      {tensor(R"("dtype":"U8","shape":[7],"data_offsets":[0,7])"), {"end at data byte 7", "goes on to 8"}},
      {tensor(R"("dtype":"U8","shape":[7],"data_offsets":[1,8])"), {"\"t\" begins at data byte 1", "leave a hole"}},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       {"\"b\" begins at data byte 4, the one before it ends at 3: they leave a hole"}},
      {R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       {"\"b\" begins at data byte 4, the one before it ends at 5: they overlap"}},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
       {"\"b\" begins at data byte 0", "overlap"}},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[0],"data_offsets":[5,5]}})",
       {"\"b\" begins at data byte 5", "overlap"}},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
       {"tensor \"a\" twice"}},
      {"{}", {"end at data byte 0", "goes on to 8"}},
  };
  for (const auto& [header, parts] : cases) {
    SCOPED_TRACE(header.substr(0, 200));
    const Bytes bytes = make_file(header, 8);
    expect_error(ErrorKind::corrupt, {"bad.safetensors: "}, [&] { SafetensorsFile(bytes, "bad.safetensors"); });
    for (const std::string& part : parts) {
      expect_error(ErrorKind::corrupt, {part}, [&] { SafetensorsFile(bytes, "bad.safetensors"); });
    }
  }
}

TEST(SafetensorsFile, EveryTruncationAndExtensionIsAnError) {
  Bytes bytes = make_file(kGood, 12);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    expect_error(ErrorKind::corrupt, {"cut"}, [&] { SafetensorsFile{std::span(bytes).first(size), "cut"}; });
  }
  bytes.push_back({});
  expect_error(ErrorKind::corrupt, {"long", "goes on to 13"}, [&] { SafetensorsFile(bytes, "long"); });
}

TEST(SafetensorsFile, BoundsTheHeaderLength) {
  Bytes bytes = make_file("{}", 0);
  bytes[0] = std::byte{3};
  expect_error(ErrorKind::corrupt, {"header length is 3", "2 bytes follow"}, [&] { SafetensorsFile(bytes, "x"); });
  std::fill_n(bytes.begin(), 8, std::byte{0xff});
  expect_error(ErrorKind::corrupt, {"header length is 18446744073709551615"}, [&] { SafetensorsFile(bytes, "x"); });
  const TemporaryFolder folder;
  const auto path = folder.path() / "huge.safetensors";
  Bytes length(8);
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(std::uint64_t{100'000'001} >> (8 * i));
  write_file_atomically(path, length);
  std::filesystem::resize_file(path, 200'000'000);  // long enough, and sparse
  expect_error(ErrorKind::corrupt, {"huge.safetensors", "100000001", "at most 100000000"},
               [&] { SafetensorsFile{path}; });
}

TEST(SafetensorsFile, FileErrorsNameThePath) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::not_found, {"none.safetensors"},
               [&] { SafetensorsFile(folder.path() / "none.safetensors"); });
  write_file_atomically(folder.path() / "empty.safetensors", {});
  expect_error(ErrorKind::corrupt, {(folder.path() / "empty.safetensors").string(), "0 bytes"},
               [&] { SafetensorsFile(folder.path() / "empty.safetensors"); });
}

RC_GTEST_PROP(SafetensorsFile, DamagedBytesGiveAnErrorOrAValidFile, ()) {
  Bytes bytes = make_file(kGood, 12);
  const auto damages = *rc::gen::inRange(1, 6);
  for (int i = 0; i < damages; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = static_cast<std::byte>(*rc::gen::inRange(0, 256));
  }
  try {
    const SafetensorsFile file(bytes, "damaged");
    std::size_t total = 0;
    for (const SafetensorsEntry& entry : file.entries()) total += entry.view.size_bytes();
    RC_ASSERT(total == 12U);
  } catch (const Error& error) {
    RC_ASSERT(error.kind() == ErrorKind::corrupt);
  }
}

}  // namespace
}  // namespace bitnet::formats
