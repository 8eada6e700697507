#include "loading/stored_model.h"

#include <array>
#include <fstream>

#include "base/fail.h"
#include "loading/gguf_model.h"
#include "loading/safetensors_model.h"

namespace bitnet::loading {
namespace {

namespace fs = std::filesystem;

bool is_gguf(const fs::path& path) {
  std::array<char, 4> magic{};
  std::ifstream(path, std::ios::binary).read(magic.data(), magic.size());
  return std::string_view(magic.data(), magic.size()) == "GGUF" || path.extension() == ".gguf";
}

/// The one .gguf of a folder; empty when there is none or a choice.
fs::path only_gguf(const fs::path& folder) {
  fs::path found;
  std::error_code unreadable;  // then config.json is what is missing
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, unreadable)) {
    if (entry.path().extension() != ".gguf") continue;
    if (!found.empty()) {
      fail(ErrorKind::invalid_argument, "{} holds no config.json but several .gguf files ({}, {} …); name one of them",
           folder.string(), std::min(found, entry.path()).filename().string(),
           std::max(found, entry.path()).filename().string());
    }
    found = entry.path();
  }
  return found;
}

}  // namespace

std::unique_ptr<StoredModel> open_model(const fs::path& path, const LogSink& log) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) fail(ErrorKind::not_found, "no such file or folder: {}", path.string());
  if (!fs::is_directory(path, ignored)) {
    if (is_gguf(path)) return std::make_unique<GgufModel>(formats::GgufFile(path), log);
    return std::make_unique<SafetensorsModel>(path);
  }
  if (!fs::exists(path / "config.json", ignored)) {
    if (const fs::path file = only_gguf(path); !file.empty())
      return std::make_unique<GgufModel>(formats::GgufFile(file), log);
  }
  return std::make_unique<SafetensorsModel>(path);
}

void for_each_field(const ModelConfig& config,
                    const std::function<void(const model::TensorRule& rule, std::int64_t layer)>& step) {
  for (const model::TensorRule& rule : model::tensor_rules(config)) {
    const std::int64_t layers = rule.per_layer ? config.num_hidden_layers : 1;
    for (std::int64_t layer = 0; layer < layers; ++layer) step(rule, layer);
  }
}

std::vector<backend::TernaryShape> check_all(StoredModel& stored, const LogSink& log) {
  std::vector<backend::TernaryShape> shapes;
  for_each_field(stored.config(), [&](const model::TensorRule& rule, std::int64_t layer) {
    if (const auto shape = stored.check(rule, layer)) shapes.push_back(*shape);
  });
  stored.refuse_unknown(log);
  return shapes;
}

}  // namespace bitnet::loading
