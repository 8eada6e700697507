#pragma once
/// A model for tests of generation: logits and hidden states are a pure function of the ids, and no pass is forgotten.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "generate/generator.h"

namespace bitnet::testing_support {

struct FakeSequence final : generate::Sequence {
  [[nodiscard]] std::unique_ptr<Sequence> fork() const override { return std::make_unique<FakeSequence>(*this); }
  void truncate(std::int64_t length) override { ids.resize(static_cast<std::size_t>(length)); }
  std::vector<std::int32_t> ids;
};

class FakeModel final : public generate::SequenceModel {
 public:
  /// Writes what follows `ids`.
  using Logits = std::function<void(std::span<const std::int32_t> ids, std::span<float> logits)>;
  using Hidden = std::function<void(std::span<const std::int32_t> ids, std::span<float> hidden)>;

  FakeModel(std::int64_t vocab, Logits logits, std::int64_t hidden_size = 0, Hidden hidden = {})
      : vocab_(vocab), hidden_size_(hidden_size), make_logits_(std::move(logits)), make_hidden_(std::move(hidden)) {}

  [[nodiscard]] std::int64_t context_length() const override { return 1000; }
  [[nodiscard]] std::int64_t vocab_size() const override { return vocab_; }

  [[nodiscard]] generate::Computed forward(std::span<const generate::Step> steps, bool wants_hidden) override {
    logits_.clear();
    hidden_.clear();
    std::vector<std::vector<std::int32_t>>& call = calls.emplace_back();
    for (const generate::Step& step : steps) {
      call.emplace_back(step.ids.begin(), step.ids.end());
      auto& ids = static_cast<FakeSequence&>(*step.sequence).ids;
      for (std::size_t i = 0; i < step.ids.size(); ++i) {
        ids.push_back(step.ids[i]);
        if (wants_hidden) {
          hidden_.resize(hidden_.size() + static_cast<std::size_t>(hidden_size_));
          make_hidden_(ids, std::span(hidden_).last(static_cast<std::size_t>(hidden_size_)));
        }
        if (i + step.needed.size() < step.ids.size()) continue;
        keeps.push_back(step.needed[i + step.needed.size() - step.ids.size()].keep);
        logits_.resize(logits_.size() + static_cast<std::size_t>(vocab_));
        make_logits_(ids, std::span(logits_).last(static_cast<std::size_t>(vocab_)));
      }
    }
    generate::Computed computed;
    computed.logits = {logits_.data(), std::ssize(logits_) / vocab_, vocab_};
    if (wants_hidden) computed.hidden = {hidden_.data(), std::ssize(hidden_) / hidden_size_, hidden_size_};
    return computed;
  }

  std::vector<std::vector<std::vector<std::int32_t>>> calls;  // [passes][steps][ids]
  std::vector<std::int64_t> keeps;                            // TopRows::keep of each row of logits

 private:
  std::int64_t vocab_;
  std::int64_t hidden_size_;
  Logits make_logits_;
  Hidden make_hidden_;
  std::vector<float> logits_;
  std::vector<float> hidden_;
};

/// A number in [0, 2^16) that depends on all ids and on `what`: the same as in tests/oracle/contrastive_search.py.
inline std::uint32_t scrambled(std::span<const std::int32_t> ids, std::uint32_t what) {
  std::uint32_t hash = 2166136261U;
  const auto mix = [&hash](std::uint32_t value) {
    hash = (hash ^ value) * 16777619U;
    hash ^= hash >> 15;
  };
  for (const std::int32_t id : ids) mix(static_cast<std::uint32_t>(id));
  mix(what);
  mix(what * 2654435761U);
  return hash >> 16;
}

/// Logits in [-4, 4) that depend on all ids.
inline FakeModel::Logits scrambled_logits(float scale = 1.0F) {
  return [scale](std::span<const std::int32_t> ids, std::span<float> logits) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      logits[i] = scale * (static_cast<float>(scrambled(ids, static_cast<std::uint32_t>(i))) / 8192.0F - 4.0F);
    }
  };
}

/// generate() for prompts that the model has not seen.
inline std::vector<generate::Result> generate_all(FakeModel& model,
                                                  const std::vector<std::vector<std::int32_t>>& prompts,
                                                  const InferenceSettings& settings,
                                                  const std::function<bool()>& must_end = {}) {
  std::vector<generate::Request> requests(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    requests[i].prompt = prompts[i];
    requests[i].sequence = std::make_unique<FakeSequence>();
  }
  return generate::generate(model, std::move(requests), settings, must_end);
}

/// No processor, no sampling.
inline InferenceSettings greedy_settings(std::int32_t max_new_tokens) {
  InferenceSettings settings;
  settings.do_sample = false;
  settings.repetition_penalty = 1.0F;
  settings.max_new_tokens = max_new_tokens;
  return settings;
}

}  // namespace bitnet::testing_support
