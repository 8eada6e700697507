// Files that the reference library wrote.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/text_file.h"
#include "formats/safetensors.h"
#include "support/goldens.h"
#include "support/temporary_folder.h"

namespace bitnet::formats {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 30;

TEST(SafetensorsGolden, WritingWhatWasReadGivesTheSameTensors) {
  const testing_support::TemporaryFolder folder;
  int files = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(testing_support::golden_folder())) {
    if (item.path().extension() != ".safetensors") continue;
    SCOPED_TRACE(item.path().string());
    ++files;
    const SafetensorsFile file(item.path());
    std::vector<NamedTensor> tensors;
    for (const SafetensorsEntry& entry : file.entries()) tensors.push_back({entry.name, entry.view});
    write_safetensors(folder.path() / "copy", tensors, file.metadata());
    const SafetensorsFile copy(folder.path() / "copy");
    EXPECT_EQ(copy.metadata(), file.metadata());
    ASSERT_EQ(copy.entries().size(), file.entries().size());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const SafetensorsEntry& entry = copy.entries()[i];
      EXPECT_EQ(entry.name, tensors[i].name);
      EXPECT_EQ(entry.view.dtype, tensors[i].view.dtype);
      EXPECT_EQ(entry.view.shape, tensors[i].view.shape);
      EXPECT_TRUE(std::ranges::equal(entry.view.bytes(), tensors[i].view.bytes()));
    }
    // The checkpoints were saved by the reference library itself: there every byte is the same.
    if (item.path().filename().string().starts_with("model")) {
      EXPECT_TRUE(read_text_file(folder.path() / "copy", kMaxBytes) == read_text_file(item.path(), kMaxBytes));
    }
  }
  EXPECT_GT(files, 0);
}

TEST(SafetensorsGolden, OpensEveryModel) {
  int models = 0;
  for (const auto& item : std::filesystem::directory_iterator(testing_support::golden_folder() / "models")) {
    if (!item.is_directory()) continue;
    SCOPED_TRACE(item.path().string());
    ++models;
    const SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint::open(item.path());
    EXPECT_NE(checkpoint.find("model.embed_tokens.weight"), nullptr);
    const bool sharded = std::filesystem::exists(item.path() / "model.safetensors.index.json");
    EXPECT_EQ(checkpoint.files().size() > 1, sharded);
  }
  EXPECT_GT(models, 0);
}

}  // namespace
}  // namespace bitnet::formats
