#include "model/kv_cache.h"

#include <cassert>

namespace bitnet::model {

void KvSequence::extend(std::int64_t tokens) {
  if (tokens == 0) return;
  const std::int64_t size = backend_->kv_block_tokens();
  // The block that is written first may be shared with another sequence.
  if (const auto first = static_cast<std::size_t>(length_ / size);
      first < blocks_.size() && blocks_[first].use_count() > 1) {
    std::shared_ptr<backend::KvBlock> own = backend_->make_kv_block(shape_);
    backend_->copy_kv_block(*blocks_[first], *own);
    blocks_[first] = std::move(own);
    pointers_[first] = blocks_[first].get();
  }
  const std::int64_t needed = (length_ + tokens + size - 1) / size;
  while (block_count() < needed) {
    blocks_.push_back(backend_->make_kv_block(shape_));
    pointers_.push_back(blocks_.back().get());
  }
  length_ += tokens;
}

void KvSequence::truncate(std::int64_t length) {
  assert(length >= 0 && length <= length_);
  const std::int64_t size = backend_->kv_block_tokens();
  blocks_.resize(static_cast<std::size_t>((length + size - 1) / size));
  pointers_.resize(blocks_.size());
  length_ = length;
}

void KvSequence::read(std::int64_t layer, std::int64_t position, std::span<float> key, std::span<float> value) const {
  assert(position < length_);
  const std::int64_t size = backend_->kv_block_tokens();
  backend_->read_kv(*pointers_[static_cast<std::size_t>(position / size)], shape_, layer, position % size, key, value);
}

}  // namespace bitnet::model
