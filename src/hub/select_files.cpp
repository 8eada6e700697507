#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <tuple>

#include "base/fail.h"
#include "base/quote_name.h"
#include "hub/repo_info.h"

namespace bitnet::hub {
namespace {

using Files = std::vector<RepoFile>;

bool matches(const char* pattern, const std::string& name) { return fnmatch(pattern, name.c_str(), 0) == 0; }

bool is_beside_weights(const std::string& name) {
  constexpr std::array kPatterns = {"config.json",     "generation_config.json",
                                    "tokenizer*.json", "special_tokens_map.json",
                                    "chat_template*",  "1_Pooling/config.json"};
  return std::any_of(kPatterns.begin(), kPatterns.end(), [&](const char* p) { return matches(p, name); });
}

/// Without sizes nothing is known: a list that says nothing of one file says too little.
std::int64_t total_size(const Files& files) {
  std::int64_t sum = 0;
  for (const RepoFile& file : files) {
    if (!file.size || sum > std::numeric_limits<std::int64_t>::max() - *file.size) {
      return std::numeric_limits<std::int64_t>::max();
    }
    sum += *file.size;
  }
  return sum;
}

/// model.safetensors, or the shards and their index, whichever is smaller: where a model is there twice, the packed
/// weights are. Empty when there is neither.
Files safetensors(std::span<const RepoFile> all) {
  Files single;
  Files sharded;
  bool has_index = false;
  for (const RepoFile& file : all) {
    if (file.name == "model.safetensors") {
      single.push_back(file);
    } else if (file.name == "model.safetensors.index.json") {
      has_index = true;
      sharded.push_back(file);
    } else if (file.name.find('/') == std::string::npos && matches("*-of-*.safetensors", file.name)) {
      sharded.push_back(file);
    }
  }
  if (!has_index || sharded.size() < 2) sharded.clear();
  if (single.empty() || sharded.empty()) return single.empty() ? sharded : single;
  return total_size(sharded) < total_size(single) ? sharded : single;
}

/// I2_S, TQ2_0 and TQ1_0 hold ternary weights as they are; the fewer steps to the kernels, the lower the number.
int rank_of_gguf(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::array kTypes = {"i2_s", "tq2_0", "tq1_0"};
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (name.find(kTypes[i]) != std::string::npos) return static_cast<int>(i);
  }
  return static_cast<int>(kTypes.size());
}

Files best_gguf(std::span<const RepoFile> all) {
  const auto key = [](const RepoFile& file) {
    return std::tuple(rank_of_gguf(file.name), file.size.value_or(std::numeric_limits<std::int64_t>::max()), file.name);
  };
  const RepoFile* best = nullptr;
  for (const RepoFile& file : all) {
    // A part of a split file is no model, nor is the picture encoder of one.
    if (!file.name.ends_with(".gguf") || matches("*-of-*.gguf", file.name) || matches("*mmproj*", file.name)) continue;
    if (best == nullptr || key(file) < key(*best)) best = &file;
  }
  return best == nullptr ? Files{} : Files{*best};
}

std::string some_names(std::span<const RepoFile> all) {
  constexpr std::size_t kShown = 8;
  if (all.empty()) return "no file";
  std::string text;
  for (const RepoFile& file : all.first(std::min(all.size(), kShown))) {
    text += (text.empty() ? "" : ", ") + quote_name(file.name);
  }
  return all.size() > kShown ? fmt::format("{} and {} more", text, all.size() - kShown) : text;
}

}  // namespace

std::vector<RepoFile> select_files(std::span<const RepoFile> all, std::span<const std::string> include,
                                   std::string_view source) {
  Files selected;
  if (!include.empty()) {
    std::copy_if(all.begin(), all.end(), std::back_inserter(selected), [&](const RepoFile& file) {
      return std::any_of(include.begin(), include.end(),
                         [&](const std::string& pattern) { return matches(pattern.c_str(), file.name); });
    });
    if (selected.empty()) {
      fail(ErrorKind::not_found, "{}: no file matches what was to be included; there is {}", source, some_names(all));
    }
    return selected;
  }
  selected = safetensors(all);
  if (selected.empty()) {
    selected = best_gguf(all);
    if (!selected.empty()) return selected;
  }
  const bool has_config =
      std::any_of(all.begin(), all.end(), [](const RepoFile& file) { return file.name == "config.json"; });
  if (selected.empty() || !has_config) {
    fail(ErrorKind::not_found,
         "{}: there is no model that can be run; expected config.json with model.safetensors or its shards and index, "
         "or "
         "a *.gguf file, and found {}",
         source, some_names(all));
  }
  std::copy_if(all.begin(), all.end(), std::back_inserter(selected),
               [](const RepoFile& file) { return is_beside_weights(file.name); });
  return selected;
}

bool is_gguf_model(std::span<const RepoFile> selected) {
  return selected.size() == 1 && selected.front().name.ends_with(".gguf");
}

}  // namespace bitnet::hub
