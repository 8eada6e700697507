#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet::hub {

struct RepoFile {
  std::string name;                  ///< safe: is_safe_file_name
  std::optional<std::int64_t> size;  ///< bytes
  std::string etag;                  ///< SHA-256 or git's SHA-1 in lower-case hexadecimal; empty: not known
};

struct RepoInfo {
  std::string commit;  ///< is_commit
  std::vector<RepoFile> files;
};

/// The answer of the hub's API to /api/models/ID/revision/REV?blobs=true. `source` names it in errors.
/// Throws Error(corrupt / limit), also for one file name that is not safe: such a list is an attack.
[[nodiscard]] RepoInfo parse_repo_info(std::string_view json, std::string_view source);

/// "\"abc\"", "W/\"abc\"" → "abc": an ETag header without its dress.
[[nodiscard]] std::string bare_etag(std::string_view header);
/// Whether content can be checked against it: 64 (SHA-256) or 40 (git's SHA-1) lower-case hexadecimal digits.
[[nodiscard]] bool is_checksum(std::string_view etag);

/// The files of `all` that a model needs: its configuration, tokenizer, chat template and weights in safetensors (one
/// file or shards, the smaller set); or, where there are no safetensors, the one best GGUF file: I2_S, TQ2_0, TQ1_0,
/// else the smallest. Only the folder's own files, but for GGUF. With `include`, the files that match a pattern.
/// Throws Error(not_found) that says what there is when that leaves nothing to run (with patterns: nothing at all).
[[nodiscard]] std::vector<RepoFile> select_files(std::span<const RepoFile> all, std::span<const std::string> include,
                                                 std::string_view source);

/// Whether the selection is one GGUF file, which is then itself the model.
[[nodiscard]] bool is_gguf_model(std::span<const RepoFile> selected);

}  // namespace bitnet::hub
