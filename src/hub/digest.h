#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bitnet::hub {

/// The checksum that an etag of the hub is: SHA-256 of the content (64 digits; large files), or git's SHA-1 of a blob
/// (40 digits), which begins with the content's size.
class Digest {
 public:
  /// `etag` as is_checksum wants it. Throws Error(limit) without memory.
  Digest(std::string_view etag, std::int64_t size);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  /// The content, piece by piece.
  void update(std::span<const std::byte> bytes);
  /// In lower-case hexadecimal. Last call.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitnet::hub
