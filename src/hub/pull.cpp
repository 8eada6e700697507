#include "hub/pull.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/fail.h"
#include "base/json.h"
#include "base/log.h"
#include "hub/cache.h"
#include "hub/downloader.h"

namespace bitnet::hub {
namespace {

namespace fs = std::filesystem;

fs::path path_of(const Cache& cache, const std::string& commit, const std::vector<RepoFile>& selected) {
  const fs::path folder = cache.snapshot(commit);
  return is_gguf_model(selected) ? folder / selected.front().name : folder;
}

/// Whether every shard that the index names is among `files`.
bool has_all_shards(const fs::path& index, const std::vector<RepoFile>& files) {
  std::set<std::string> there;
  for (const RepoFile& file : files) there.insert(file.name);
  const Json root = read_json_file(index);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (!root.is_object() || map == root.end() || !map->is_object()) return false;
  return std::all_of(map->begin(), map->end(),
                     [&](const Json& shard) { return shard.is_string() && there.contains(shard.get<std::string>()); });
}

/// What the cache has of a commit, when it is enough; else null.
std::optional<fs::path> complete_snapshot(const Cache& cache, const std::string& commit, const HubOptions& options) {
  const std::vector<RepoFile> files = cache.list(commit);
  try {
    const std::vector<RepoFile> selected = select_files(files, options.include, "the cache");
    for (const RepoFile& file : selected) {
      const bool is_index = file.name == "model.safetensors.index.json";
      if (is_index && !has_all_shards(cache.snapshot(commit) / file.name, files)) return std::nullopt;
    }
    return path_of(cache, commit, selected);
  } catch (const Error&) {  // nothing to run, or a broken index
    return std::nullopt;
  }
}

/// The commit that the cache knows for the revision, when all of it is there.
std::optional<fs::path> in_cache(const Cache& cache, const ModelId& id, const HubOptions& options) {
  const auto commit = is_commit(id.revision) ? std::optional(id.revision) : cache.read_ref(id.revision);
  return commit ? complete_snapshot(cache, *commit, options) : std::nullopt;
}

/// Which commit the revision is now. None: the server did not say, and `cached` will do.
std::optional<RepoInfo> ask(const HubServer& server, const HubOptions& options, Plumbing& plumbing,
                            const std::optional<fs::path>& cached) {
  net::HttpOptions http = plumbing.http;
  http.stop = [&] { return options.on_progress && !options.on_progress({}); };
  net::RetryPolicy retry = plumbing.retry;
  if (!retry.sleep) retry.sleep = [&](std::chrono::milliseconds time) { return sleep_unless(http.stop, time); };
  if (cached) retry.attempts = 1;
  try {
    net::HttpClient client(http);
    return server.list(client, retry);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled || !cached) throw;
    log_to(options.log, fmt::format("the cache's copy is used, which may be old: {}", error.what()));
    return std::nullopt;
  }
}

void check(const HubOptions& options) {
  if (options.connections < 1 || options.connections > 64) {
    fail(ErrorKind::invalid_argument, "{} connections; expected 1 to 64", options.connections);
  }
  if (options.cache.empty()) fail(ErrorKind::invalid_argument, "the folder of the hub's cache is not given");
}

}  // namespace

fs::path pull_with(const std::string& text, const HubOptions& options, Plumbing plumbing) {
  check(options);
  const ModelId id = ModelId::parse(text);
  Cache cache(options.cache, id);
  const std::optional<fs::path> cached = in_cache(cache, id, options);
  if (cached && (options.offline || is_commit(id.revision))) return *cached;
  if (options.offline) {
    fail(ErrorKind::not_found,
         "{} is not complete in {}, and the network is turned off (HF_HUB_OFFLINE); pull it while "
         "it is on",
         text, options.cache.string());
  }
  plumbing.http.ca_file = options.ca_file;
  const HubServer server(options, id);
  const std::optional<RepoInfo> info = ask(server, options, plumbing, cached);
  if (!info) return *cached;

  const std::vector<RepoFile> selected = select_files(info->files, options.include, id.name);
  std::vector<RepoFile> missing;
  std::copy_if(selected.begin(), selected.end(), std::back_inserter(missing),
               [&](const RepoFile& file) { return !cache.has(info->commit, file); });
  const bool knows_ref = is_commit(id.revision) || cache.read_ref(id.revision) == info->commit;
  if (!missing.empty() || !knows_ref) {
    cache.open_for_writing();
    if (!missing.empty()) missing = Downloader(options, plumbing, server, cache, info->commit).run(missing);
    // Weights stand first and so are linked last, and all links come after all blobs: what others find is complete.
    std::reverse(missing.begin(), missing.end());
    for (const RepoFile& file : missing) cache.link(info->commit, file.name, file.etag);
    if (!knows_ref) cache.write_ref(id.revision, info->commit);
  }
  return path_of(cache, info->commit, selected);
}

}  // namespace bitnet::hub

namespace bitnet {

std::filesystem::path pull(const std::string& id, const HubOptions& options) { return hub::pull_with(id, options, {}); }

}  // namespace bitnet
