#pragma once

#include <vector>

#include "formats/gguf.h"
#include "loading/stored_model.h"

namespace bitnet::loading {

/// A checkpoint's tokenizer, chat template and special tokens as GGUF metadata: the arrays that other programs read,
/// and the whole tokenizer.json beside them. Without a tokenizer: tokenizer.ggml.model "none".
void add_tokenizer(const StoredModel& stored, std::vector<formats::GgufWriteEntry>& out);

}  // namespace bitnet::loading
