#include "hub/blob_assembly.h"

#include <span>
#include <utility>
#include <vector>

namespace bitnet::hub {
namespace {

std::span<const std::byte> content(const Segment& segment) {
  return {segment.data.get(), static_cast<std::size_t>(segment.end - segment.begin)};
}

}  // namespace

BlobAssembly::BlobAssembly(IncompleteBlob file, std::string etag, std::int64_t size, Release release)
    : file_(std::move(file)), etag_(std::move(etag)), size_(size), release_(std::move(release)), digest_(etag_, size) {
  if (file_.size() > size_) file_.truncate(0);  // cannot be the beginning of this blob
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  while (const std::size_t count = file_.read(hashed_, buffer)) {
    digest_.update(std::span(buffer).first(count));
    hashed_ += static_cast<std::int64_t>(count);
  }
  written_ = hashed_;
}

bool BlobAssembly::deliver(Segment segment) {
  std::unique_lock lock(mutex_);
  const std::int64_t begin = segment.begin;
  arrived_.emplace(begin, std::move(segment));
  if (!writing_) {
    writing_ = true;
    for (auto next = arrived_.find(written_); next != arrived_.end(); next = arrived_.find(written_)) {
      lock.unlock();
      file_.append(content(next->second));
      lock.lock();
      written_ = next->second.end;
    }
    writing_ = false;
  }
  if (!hashing_) {
    hashing_ = true;
    while (hashed_ < written_) {
      const auto next = arrived_.find(hashed_);
      lock.unlock();
      digest_.update(content(next->second));
      lock.lock();
      hashed_ = next->second.end;
      release_(std::move(next->second.data));
      arrived_.erase(next);
    }
    hashing_ = false;
  }
  return hashed_ == size_ && !std::exchange(complete_, true);
}

bool BlobAssembly::finish() {
  file_.sync();
  return digest_.finish() == etag_;
}

void BlobAssembly::restart() {
  file_.truncate(0);
  digest_ = Digest(etag_, size_);
  written_ = hashed_ = 0;
  complete_ = false;
}

}  // namespace bitnet::hub
