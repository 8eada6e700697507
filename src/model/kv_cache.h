#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backend/backend.h"

namespace bitnet::model {

/// The paged cache of one sequence: a table of fixed blocks (vLLM, Kwon et al. 2023). Copies share blocks; a shared
/// block is copied when one of its owners writes into it. So beams and prefixes take memory for distinct tokens only.
class KvSequence {
 public:
  KvSequence(backend::Backend& backend, const backend::KvShape& shape) : backend_(&backend), shape_(shape) {}

  [[nodiscard]] std::int64_t length() const { return length_; }
  [[nodiscard]] const backend::KvShape& shape() const { return shape_; }

  /// Makes positions length() .. length() + tokens writable and counts them as present.
  void extend(std::int64_t tokens);
  /// Forgets all positions from `length` on.
  void truncate(std::int64_t length);

  [[nodiscard]] backend::KvBlock* const* blocks() const { return pointers_.data(); }
  [[nodiscard]] std::int64_t block_count() const { return static_cast<std::int64_t>(blocks_.size()); }
  /// Keys and values [kv_heads * head_dim] of one position, for tests and tools.
  void read(std::int64_t layer, std::int64_t position, std::span<float> key, std::span<float> value) const;

 private:
  backend::Backend* backend_;
  backend::KvShape shape_;
  std::int64_t length_ = 0;
  std::vector<std::shared_ptr<backend::KvBlock>> blocks_;
  std::vector<backend::KvBlock*> pointers_;  // the same, as the backend reads them
};

}  // namespace bitnet::model
