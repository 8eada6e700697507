#pragma once

#include <cstdint>

#include "bitnet/settings.h"

namespace bitnet::generate {

/// Throws Error(invalid_argument) when a field of `settings` holds a token id that a vocabulary of `vocab_size` ids
/// does not have; the message names field, id and vocabulary. `settings` have passed validate().
void check_token_ids(const InferenceSettings& settings, std::int64_t vocab_size);

}  // namespace bitnet::generate
