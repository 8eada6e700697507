#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/rng.h"
#include "base/text_file.h"
#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/tensor.h"

namespace bitnet::formats {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryFolder;

constexpr std::size_t kMaxBytes = 1 << 20;

TEST(WriteSafetensors, GivesTheseBytes) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.safetensors";
  Tensor bytes(DType::u8, {3});
  std::ranges::fill(bytes.as<std::uint8_t>(), '#');
  Tensor words(DType::bf16, {1, 2});
  std::ranges::fill(words.as<std::uint16_t>(), std::uint16_t{0x4241});
  const Tensor none(DType::f32, {0});
  std::vector<NamedTensor> tensors = {{"a\"", bytes.view()}, {"b", words.view()}, {"c", none.view()}};
  const std::string header =
      R"({"__metadata__":{"k":"1","z":"é"},"c":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
      R"("b":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]},)"
      R"("a\"":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}})";
  ASSERT_EQ(header.size(), 198U);
  const std::string expected = std::string("\xc8\0\0\0\0\0\0\0", 8) + header + "  " + "ABAB" + "###";
  do {  // in every order of the arguments
    write_safetensors(path, tensors, {{"z", "é"}, {"k", "1"}});
    EXPECT_EQ(read_text_file(path, kMaxBytes), expected);
  } while (std::ranges::next_permutation(tensors, {}, &NamedTensor::name).found);
}

TEST(WriteSafetensors, WritesAnEmptyFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.safetensors";
  write_safetensors(path, {});
  EXPECT_EQ(read_text_file(path, kMaxBytes), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
}

TEST(WriteSafetensors, RefusesBadNamesAndWritesNothing) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.safetensors";
  const Tensor x(DType::u8, {1});
  const Tensor y(DType::f32, {1});
  const auto write = [&](const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata) {
    write_safetensors(path, tensors, metadata);
  };
  expect_error(ErrorKind::invalid_argument, {"\"a\""}, [&] { write({{"a", x.view()}, {"a", y.view()}}, {}); });
  expect_error(ErrorKind::invalid_argument, {"__metadata__"}, [&] { write({{"__metadata__", x.view()}}, {}); });
  expect_error(ErrorKind::invalid_argument, {"UTF-8"}, [&] { write({{"\xff", x.view()}}, {}); });
  expect_error(ErrorKind::invalid_argument, {"UTF-8"}, [&] { write({}, {{"a", "\xc3"}}); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  expect_error(ErrorKind::io, {"missing/file"}, [&] { write_safetensors(folder.path() / "missing/file", {}); });
}

RC_GTEST_PROP(WriteSafetensors, ReadsBackWhatWasWritten, ()) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file.safetensors";
  Rng rng(*rc::gen::arbitrary<std::uint64_t>());
  std::map<std::string, Tensor> tensors;
  for (const int number : *rc::gen::arbitrary<std::set<int>>()) {
    const auto dtype = static_cast<DType>(*rc::gen::inRange<std::size_t>(0, std::size(kDTypes)));
    const auto dims = *rc::gen::resize(4, rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange(0, 5)));
    Tensor tensor(dtype, Shape(std::span(dims)));
    for (std::size_t i = 0; i < tensor.view().size_bytes(); ++i) tensor.data()[i] = static_cast<std::byte>(rng.next());
    tensors.emplace("layer." + std::to_string(number) + ".\"é\n", std::move(tensor));
  }
  std::vector<NamedTensor> named;
  for (const auto& [name, tensor] : tensors) named.push_back({name, tensor.view()});
  const SafetensorsMetadata metadata = {{"a\\", *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127))}};
  write_safetensors(path, named, metadata);

  const SafetensorsFile file(path);
  RC_ASSERT(file.metadata() == metadata);
  RC_ASSERT(file.entries().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const SafetensorsEntry* entry = file.find(name);
    RC_ASSERT(entry != nullptr);
    RC_ASSERT(entry->view.dtype == tensor.dtype());
    RC_ASSERT(entry->view.shape == tensor.shape());
    RC_ASSERT(std::ranges::equal(entry->view.bytes(), tensor.view().bytes()));
    RC_ASSERT(entry->offset % size_of(tensor.dtype()) == 0U);
  }
}

}  // namespace
}  // namespace bitnet::formats
