#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace bitnet {

/// The whole file as text. Throws Error(not_found / io), or Error(limit) when it is larger than `max_bytes`.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes);

/// Writes through an AtomicFile: a reader sees the old file or the whole new
/// one and a full disk leaves nothing half-written. Throws Error(io).
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace bitnet
