#pragma once
/// Models of the Hugging Face hub, by id. docs/hub.md has the cache's layout and the environment variables.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet {

struct PullProgress {
  std::int64_t bytes = 0;        ///< there, what an earlier run left included
  std::int64_t total_bytes = 0;  ///< of the files that were missing; grows while their sizes become known
};

struct HubOptions {
  std::filesystem::path cache;                      ///< the folder that holds models--ORG--NAME
  std::string endpoint = "https://huggingface.co";  ///< without a slash at the end
  std::string token;                                ///< goes to `endpoint` and to no other host; empty: none
  std::string ca_file;                              ///< certificates to trust; empty: the system's
  bool offline = false;                             ///< use what the cache has and ask nobody
  /// Shell patterns ('*' matches '/', too) of the files to get, in place of those that a model needs.
  std::vector<std::string> include;
  int connections = 8;  ///< at the same time, 1 to 64
  /// Called a few times a second by the calling thread. false: stop, with Error(cancelled); what is there is kept and
  /// the next pull continues.
  std::function<bool(const PullProgress&)> on_progress;
  /// What a user should know (the cache is used because the server cannot be reached), a sentence each.
  std::function<void(const std::string& message)> log;
};

/// What Hugging Face's own tools read: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME; HF_ENDPOINT;
/// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HUB_DISABLE_IMPLICIT_TOKEN; HF_HUB_OFFLINE,
/// TRANSFORMERS_OFFLINE; and SSL_CERT_FILE. Throws Error when a value cannot be used.
[[nodiscard]] HubOptions hub_options_from_environment();

/// Whether `text` has the form ORG/NAME or ORG/NAME@REVISION of a model on the hub.
[[nodiscard]] bool is_model_id(std::string_view text);

/// Makes a model of the hub local and returns where it is: the folder of its snapshot, or, when the model is a GGUF
/// file, that file. Only missing files are downloaded, and each is checked against its SHA-256 (or git's SHA-1) before
/// it gets its name. For a complete snapshot of a commit nobody is asked, for a branch one question: which commit it
/// is. When that cannot be answered, a complete snapshot from before is used and `log` says so.
/// Several processes and threads may pull at once. Throws Error: invalid_argument (id, options), not_found (no such
/// model, revision, file), io (network, disk), corrupt (a wrong checksum, a broken answer), cancelled, and unsupported
/// in a build without the hub.
[[nodiscard]] std::filesystem::path pull(const std::string& id, const HubOptions& options);

}  // namespace bitnet
