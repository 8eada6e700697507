#pragma once
/// bitnet run --dump: what a generation was made of, as a safetensors file (docs/formats/activation-dump.md).

#include <filesystem>
#include <span>
#include <string>

#include "bitnet/session.h"
#include "formats/safetensors.h"

namespace bitnet::cli {

/// Turns off what settings make results carry and nothing would show. Throws UsageError when it was the caller who
/// asked for it and not the checkpoint.
void drop_unshown(InferenceSettings& settings, const InferenceSettings& checkpoint, bool has_dump, bool has_json);

/// Throws Error(io) when no file could be written to `path` now: a missing or read-only folder, a full disk, or
/// something there that is no ordinary file. Leaves nothing behind.
void require_writable(const std::filesystem::path& path);

/// `activations` of prompt and new ids of `generation`, both as "tokens", and what its details hold.
/// Appears under its name when it is complete. Throws Error(io).
void write_dump(const std::filesystem::path& path, std::span<const NamedArray> activations,
                const Generation& generation, const formats::SafetensorsMetadata& metadata);

}  // namespace bitnet::cli
