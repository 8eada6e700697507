#include "base/text_file.h"

#include "base/atomic_file.h"
#include "base/fail.h"
#include "base/mapped_file.h"

namespace bitnet {

std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const MappedFile file(path);
  if (file.bytes().size() > max_bytes) {
    fail(ErrorKind::limit, "{} has {} bytes; at most {} are accepted", path.string(), file.bytes().size(), max_bytes);
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace bitnet
