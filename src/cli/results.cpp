#include "cli/results.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/console.h"

namespace bitnet::cli {
namespace {

double rate(std::int64_t tokens, double seconds) {
  return tokens > 0 && seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

std::int64_t computed_prompt_tokens(const Generation& generation) {
  return static_cast<std::int64_t>(generation.prompt_ids.size()) - generation.reused_tokens;
}

/// What is of this result alone, and the seconds of all that was computed with it.
Json content(const Generation& generation, const InferenceSettings& settings) {
  Json json = {{"text", generation.text},
               {"ids", generation.ids},
               {"prompt_ids", generation.prompt_ids},
               {"finish_reason", name_of(generation.finish)}};
  if (settings.num_beams > 1) json["score"] = generation.score;
  json["cache_bytes"] = generation.cache_bytes;
  json["timings"] = {{"prompt_tokens", generation.prompt_ids.size()},
                     {"reused_tokens", generation.reused_tokens},
                     {"prompt_seconds", generation.prompt_seconds},
                     {"generated_tokens", generation.ids.size()},
                     {"generation_seconds", generation.generation_seconds}};
  return json;
}

/// With return_dict_in_generate, what is of all results of the prompt.
void add_details(Json& json, const Generation& generation, const InferenceSettings& settings) {
  if (!settings.return_dict_in_generate || !generation.details) return;
  const GenerationDetails& details = *generation.details;
  Json& added = json["details"] = {{"sequences", details.sequences}};
  if (details.sequences_scores.empty()) return;
  added["sequences_scores"] = details.sequences_scores;
  added["beam_indices"] = details.beam_indices;
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

Json to_json(const Generation& generation, const InferenceSettings& settings) {
  Json json = content(generation, settings);
  json["timings"]["prompt_tokens_per_second"] = prompt_rate(generation);
  json["timings"]["generation_tokens_per_second"] = generation_rate(generation);
  add_details(json, generation, settings);
  return json;
}

std::string summary(const Generation& generation) {
  return fmt::format("[{} prompt tokens, {:.1f} tokens/s; {} new tokens, {:.1f} tokens/s]",
                     computed_prompt_tokens(generation), prompt_rate(generation), generation.ids.size(),
                     generation_rate(generation));
}

void ResultList::print(std::span<const Generation> results, std::size_t first) {
  const auto per_prompt = static_cast<std::size_t>(settings_.num_return_sequences);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Generation& result = results[i];
    const std::size_t number = i % per_prompt;
    if (result.finish == FinishReason::cancelled && result.ids.empty()) continue;
    if (number == 0) {
      ++prompts_;
      prompt_tokens_ += computed_prompt_tokens(result);
    }
    new_tokens_ += std::ssize(result.ids);
    later_tokens_ += std::max<std::int64_t>(std::ssize(result.ids) - 1, 0);
    if (json_) {
      Json json = {{"prompt_index", first + i / per_prompt}, {"result_index", number}};
      json.update(content(result, settings_));
      if (number == 0) add_details(json, result, settings_);
      write_json_line(json);
    } else {
      const std::string score = settings_.num_beams > 1 ? fmt::format(" (score {:.4f})", result.score) : "";
      write_out(fmt::format("== prompt {}, result {}{}\n{}{}", first + i / per_prompt + 1, number + 1, score,
                            result.text, result.text.ends_with('\n') ? "" : "\n"));
    }
  }
  if (results.empty()) return;
  prompt_seconds_ += results.front().prompt_seconds;
  generation_seconds_ += results.front().generation_seconds;
}

std::string ResultList::summary() const {
  return fmt::format("[{} prompt{}, {} tokens, {:.1f} tokens/s; {} new tokens, {:.1f} tokens/s]", prompts_,
                     prompts_ == 1 ? "" : "s", prompt_tokens_, rate(prompt_tokens_, prompt_seconds_), new_tokens_,
                     rate(later_tokens_, generation_seconds_));
}

std::string format_bytes(double bytes) {
  if (bytes >= 1e9) return fmt::format("{:.2f} GB", bytes / 1e9);
  if (bytes >= 1e6) return fmt::format("{:.1f} MB", bytes / 1e6);
  if (bytes >= 1e3) return fmt::format("{:.1f} kB", bytes / 1e3);
  return fmt::format("{:.0f} B", bytes);
}

}  // namespace bitnet::cli
