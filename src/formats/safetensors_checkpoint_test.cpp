#include <gtest/gtest.h>

#include <utility>

#include "base/text_file.h"
#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/tensor.h"

namespace bitnet::formats {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryFolder;

/// A folder to put shards into; each tensor holds one byte, `value`.
class SafetensorsCheckpointTest : public testing::Test {
 protected:
  void shard(const std::string& file, const std::vector<std::pair<std::string, std::uint8_t>>& tensors) {
    std::vector<Tensor> owned;
    std::vector<NamedTensor> named;
    for (const auto& [name, value] : tensors) {
      owned.emplace_back(DType::u8, Shape{1});
      owned.back().as<std::uint8_t>()[0] = value;
      named.push_back({name, owned.back().view()});
    }
    write_safetensors(folder_.path() / file, named);
  }
  void index(std::string_view text) {
    write_file_atomically(folder_.path() / "model.safetensors.index.json", std::as_bytes(std::span(text)));
  }
  [[nodiscard]] SafetensorsCheckpoint open() const { return SafetensorsCheckpoint::open(folder_.path()); }

  TemporaryFolder folder_;
};

TEST_F(SafetensorsCheckpointTest, OpensOneFileByFolderOrByPath) {
  shard("model.safetensors", {{"b", 2}, {"a", 1}});
  for (const auto& path : {folder_.path(), folder_.path() / "model.safetensors"}) {
    const SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint::open(path);
    ASSERT_EQ(checkpoint.tensors().size(), 2U);
    ASSERT_EQ(checkpoint.files().size(), 1U);
    EXPECT_EQ(checkpoint.tensors()[0].name, "a");
    EXPECT_EQ(checkpoint.find("b")->view.as<std::uint8_t>()[0], 2);
    EXPECT_EQ(checkpoint.find("b")->file->path(), folder_.path() / "model.safetensors");
    EXPECT_EQ(checkpoint.find("c"), nullptr);
  }
}

TEST_F(SafetensorsCheckpointTest, JoinsShardsAndTellsWhereATensorLies) {
  shard("one.safetensors", {{"c", 3}, {"a", 1}});
  shard("two.safetensors", {{"b", 2}});
  index(R"({"metadata":{"total_size":3},)"
        R"("weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"}})");
  const SafetensorsCheckpoint checkpoint = open();
  ASSERT_EQ(checkpoint.tensors().size(), 3U);
  EXPECT_EQ(checkpoint.files().size(), 2U);
  for (std::size_t i = 0; i < 3; ++i) {
    const CheckpointTensor& tensor = checkpoint.tensors()[i];
    EXPECT_EQ(tensor.name, std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(tensor.view.as<std::uint8_t>()[0], i + 1);
    EXPECT_EQ(tensor.file->path().filename(), i == 1 ? "two.safetensors" : "one.safetensors");
  }
}

TEST_F(SafetensorsCheckpointTest, ATensorOutlivesTheCheckpointAndItsFolder) {
  shard("model.safetensors", {{"a", 5}});
  CheckpointTensor tensor;
  {
    const SafetensorsCheckpoint copy = open();
    tensor = copy.tensors()[0];
  }
  std::filesystem::remove(folder_.path() / "model.safetensors");
  EXPECT_EQ(tensor.view.as<std::uint8_t>()[0], 5);
}

TEST_F(SafetensorsCheckpointTest, ReleasedPagesComeBack) {
  Tensor big(DType::u32, {100'000});
  for (std::size_t i = 0; i < 100'000; ++i) big.as<std::uint32_t>()[i] = static_cast<std::uint32_t>(i);
  const std::vector<NamedTensor> tensors = {{"big", big.view()}};
  write_safetensors(folder_.path() / "model.safetensors", tensors);
  const SafetensorsCheckpoint checkpoint = open();
  const CheckpointTensor& tensor = checkpoint.tensors()[0];
  for (int again = 0; again < 2; ++again) {
    for (std::size_t i = 0; i < 100'000; ++i) ASSERT_EQ(tensor.view.as<std::uint32_t>()[i], i);
    tensor.file->release(tensor.view);
  }
}

TEST_F(SafetensorsCheckpointTest, SaysWhatIsMissing) {
  expect_error(ErrorKind::not_found, {folder_.path().string(), "neither model.safetensors nor"}, [&] { (void)open(); });
  expect_error(ErrorKind::not_found, {"no_folder"},
               [&] { (void)SafetensorsCheckpoint::open(folder_.path() / "no_folder"); });
  index(R"({"weight_map":{"a":"one.safetensors"}})");
  expect_error(ErrorKind::not_found, {"one.safetensors"}, [&] { (void)open(); });
}

TEST_F(SafetensorsCheckpointTest, RefusesABadIndex) {
  shard("one.safetensors", {{"a", 1}});
  const std::string long_way = R"({"weight_map":{"a":"one.safetensors/../one.safetensors"}})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "not a valid JSON object"},
      {"[]", "not a valid JSON object"},
      {"{}", "no object weight_map"},
      {R"({"weight_map":["a"]})", "no object weight_map"},
      {R"({"weight_map":{"a":1}})", "\"a\" is placed in nothing"},
      {R"({"weight_map":{"a":""}})", "\"a\" is placed in nothing"},
      {R"({"weight_map":{"a":".."}})", "\"a\" is placed in \"..\""},
      {R"({"weight_map":{"a":"../one.safetensors"}})", "\"a\" is placed in \"../one.safetensors\""},
      {R"({"weight_map":{"a":"/one.safetensors"}})", "\"a\" is placed in \"/one.safetensors\""},
      {R"({"weight_map":{"a":"x\\one.safetensors"}})", "\"a\" is placed in"},
      {R"({"weight_map":{"a":"one.safetensors\u0000"}})", "\"a\" is placed in"},
      {long_way, "\"a\" is placed in"},
      {R"({"weight_map":{"a":"one.safetensors","a":"one.safetensors"}})", "tensor \"a\" twice"},
  };
  for (const auto& [text, part] : cases) {
    SCOPED_TRACE(text);
    index(text);
    expect_error(ErrorKind::corrupt, {"model.safetensors.index.json", part}, [&] { (void)open(); });
  }
}

TEST_F(SafetensorsCheckpointTest, RefusesAnIndexThatDisagreesWithItsShards) {
  shard("one.safetensors", {{"a", 1}, {"b", 2}});
  shard("two.safetensors", {{"c", 3}});
  index(R"({"weight_map":{"a":"one.safetensors","c":"two.safetensors"}})");
  expect_error(ErrorKind::corrupt, {"one.safetensors", "holds tensor \"b\"", "does not list"}, [&] { (void)open(); });
  index(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"two.safetensors"}})");
  expect_error(ErrorKind::corrupt, {"places tensor \"b\" in \"two.safetensors\"; it is in \"one.safetensors\""},
               [&] { (void)open(); });
  for (const char* missing : {"aa", "d"}) {  // between the others, and after the last
    index(R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors",")" +
          std::string(missing) + R"(":"two.safetensors"}})");
    expect_error(ErrorKind::corrupt, {"places tensor", missing, "\"two.safetensors\", which does not hold it"},
                 [&] { (void)open(); });
  }
  shard("two.safetensors", {{"c", 3}, {"a", 1}});
  index(R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"two.safetensors"}})");
  expect_error(ErrorKind::corrupt, {"\"a\" is in two shards", "one.safetensors", "two.safetensors"},
               [&] { (void)open(); });
}

}  // namespace
}  // namespace bitnet::formats
