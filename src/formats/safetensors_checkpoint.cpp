#include <simdjson.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/quote_name.h"
#include "base/text_file.h"
#include "formats/safetensors.h"

namespace bitnet::formats {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxIndexBytes = std::size_t{100} << 20;

struct Placement {
  std::string tensor;
  std::string shard;
};

/// An index must not lead out of its folder.
bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

/// The weight_map of an index file, sorted by tensor.
std::vector<Placement> read_weight_map(const std::filesystem::path& path) {
  const std::string source = path.string();
  const simdjson::padded_string text(read_text_file(path, kMaxIndexBytes));
  dom::parser parser;
  dom::object root;
  if (const auto error = parser.parse(text).get(root)) {
    fail(ErrorKind::corrupt, "{}: not a valid JSON object: {}", source, simdjson::error_message(error));
  }
  dom::object map;
  if (root["weight_map"].get(map) != simdjson::SUCCESS) {
    fail(ErrorKind::corrupt, "{}: has no object weight_map", source);
  }
  std::vector<Placement> placements;
  for (const dom::key_value_pair field : map) {
    std::string_view shard;
    if (field.value.get(shard) != simdjson::SUCCESS || !is_plain_file_name(shard)) {
      fail(ErrorKind::corrupt, "{}: tensor {} is placed in {}; expected the plain name of a file in the same folder",
           source, quote_name(field.key), shard.empty() ? "nothing" : quote_name(shard));
    }
    placements.push_back({std::string(field.key), std::string(shard)});
  }
  std::sort(placements.begin(), placements.end(),
            [](const Placement& a, const Placement& b) { return a.tensor < b.tensor; });
  const auto twice = std::adjacent_find(placements.begin(), placements.end(),
                                        [](const Placement& a, const Placement& b) { return a.tensor == b.tensor; });
  if (twice != placements.end()) {
    fail(ErrorKind::corrupt, "{}: weight_map has tensor {} twice", source, quote_name(twice->tensor));
  }
  return placements;
}

/// Both are sorted by tensor name.
void check_placements(const std::vector<Placement>& placements, const std::vector<CheckpointTensor>& tensors,
                      const std::string& index) {
  auto placed = placements.begin();
  for (const CheckpointTensor& tensor : tensors) {
    if (placed == placements.end() || tensor.name < placed->tensor) {
      fail(ErrorKind::corrupt, "{}: holds tensor {}, which {} does not list", tensor.file->path().string(),
           quote_name(tensor.name), index);
    }
    if (placed->tensor < tensor.name) break;
    if (tensor.file->path().filename() != placed->shard) {
      fail(ErrorKind::corrupt, "{}: places tensor {} in {}; it is in {}", index, quote_name(tensor.name),
           quote_name(placed->shard), quote_name(tensor.file->path().filename().string()));
    }
    ++placed;
  }
  if (placed != placements.end()) {
    fail(ErrorKind::corrupt, "{}: places tensor {} in {}, which does not hold it", index, quote_name(placed->tensor),
         quote_name(placed->shard));
  }
}

}  // namespace

SafetensorsCheckpoint SafetensorsCheckpoint::open(const std::filesystem::path& path) {
  SafetensorsCheckpoint checkpoint;
  std::error_code ignored;  // what cannot be looked at is reported by opening it
  if (!std::filesystem::is_directory(path, ignored)) {
    checkpoint.add(path);
    return checkpoint;
  }
  const std::filesystem::path single = path / "model.safetensors";
  const std::filesystem::path index = path / "model.safetensors.index.json";
  if (std::filesystem::exists(single, ignored)) {
    checkpoint.add(single);
    return checkpoint;
  }
  if (!std::filesystem::exists(index, ignored)) {
    fail(ErrorKind::not_found, "{} holds neither model.safetensors nor model.safetensors.index.json", path.string());
  }
  const std::vector<Placement> placements = read_weight_map(index);
  std::set<std::string> shards;
  for (const Placement& placement : placements) shards.insert(placement.shard);
  for (const std::string& shard : shards) checkpoint.add(path / shard);

  std::vector<CheckpointTensor>& tensors = checkpoint.tensors_;
  std::sort(tensors.begin(), tensors.end(),
            [](const CheckpointTensor& a, const CheckpointTensor& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(tensors.begin(), tensors.end(),
                         [](const CheckpointTensor& a, const CheckpointTensor& b) { return a.name == b.name; });
  if (twice != tensors.end()) {
    fail(ErrorKind::corrupt, "tensor {} is in two shards: {} and {}", quote_name(twice->name),
         twice->file->path().string(), std::next(twice)->file->path().string());
  }
  check_placements(placements, tensors, index.string());
  return checkpoint;
}

void SafetensorsCheckpoint::add(const std::filesystem::path& path) {
  const auto& file = files_.emplace_back(std::make_shared<const SafetensorsFile>(path));
  for (const SafetensorsEntry& entry : file->entries()) tensors_.push_back({entry.name, entry.view, file});
}

const CheckpointTensor* SafetensorsCheckpoint::find(std::string_view name) const noexcept {
  const auto at =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const CheckpointTensor& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace bitnet::formats
