#include "cli/results.h"

#include <fmt/format.h>

namespace bitnet::cli {
namespace {

double rate(std::int64_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

std::int64_t computed_prompt_tokens(const Generation& generation) {
  return static_cast<std::int64_t>(generation.prompt_ids.size()) - generation.reused_tokens;
}

}  // namespace

const char* name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::length:
      return "length";
    case FinishReason::eos:
      return "eos";
    case FinishReason::stop_string:
      return "stop_string";
    case FinishReason::max_time:
      return "max_time";
    case FinishReason::cancelled:
      return "cancelled";
  }
  return "";
}

double prompt_rate(const Generation& generation) {
  return rate(computed_prompt_tokens(generation), generation.prompt_seconds);
}

double generation_rate(const Generation& generation) {
  return rate(static_cast<std::int64_t>(generation.ids.size()) - 1, generation.generation_seconds);
}

Json to_json(const Generation& generation) {
  return {
      {"text", generation.text},
      {"ids", generation.ids},
      {"prompt_ids", generation.prompt_ids},
      {"finish_reason", name_of(generation.finish)},
      {"timings",
       {{"prompt_tokens", generation.prompt_ids.size()},
        {"reused_tokens", generation.reused_tokens},
        {"prompt_seconds", generation.prompt_seconds},
        {"prompt_tokens_per_second", prompt_rate(generation)},
        {"generated_tokens", generation.ids.size()},
        {"generation_seconds", generation.generation_seconds},
        {"generation_tokens_per_second", generation_rate(generation)}}},
  };
}

std::string summary(const Generation& generation) {
  return fmt::format("[{} prompt tokens, {:.1f} tokens/s; {} new tokens, {:.1f} tokens/s]",
                     computed_prompt_tokens(generation), prompt_rate(generation), generation.ids.size(),
                     generation_rate(generation));
}

std::string format_bytes(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  if (bytes >= 1e6) return fmt::format("{:.1f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.0f} B", bytes);
}

}  // namespace bitnet::cli
