#pragma once
/// Processors that shape the distribution that a token is drawn from. They look at the logits alone, and run in time
/// in proportion to the vocabulary.

#include <vector>

#include "generate/logits_processors.h"

namespace bitnet::generate {

/// One that keeps the order of what it keeps, and can do with the top_k largest logits.
class Warper : public LogitsProcessor {
 public:
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return true;
  }
};

class Temperature final : public Warper {
 public:
  explicit Temperature(float temperature) : temperature_(temperature) {}
  [[nodiscard]] std::string_view name() const override { return "TemperatureLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  float temperature_;
};

/// A token that may be kept: where it stands in an order, and a weight in proportion to its probability.
struct Candidate {
  float key = 0.0F;  ///< smaller ones come first; of equals the smaller id
  std::int32_t id = 0;
  double weight = 0.0;
};

/// Potraka et al. 2025: of the 100 likeliest tokens keeps as many as together have at most the share `top_h` of their
/// entropy; the likeliest one always stays.
class TopH final : public Warper {
 public:
  explicit TopH(float top_h) : top_h_(top_h) {}
  [[nodiscard]] std::string_view name() const override { return "TopHLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return false;  // looks at 100 logits, before TopK
  }

 private:
  float top_h_;
  std::vector<float> buffer_;
  std::vector<Candidate> candidates_;
};

/// Keeps logits ≥ the k-th largest; ties with it stay.
class TopK final : public Warper {
 public:
  explicit TopK(std::size_t k) : k_(k) {}
  [[nodiscard]] std::string_view name() const override { return "TopKLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  std::size_t k_;
  std::vector<float> buffer_;
};

/// Holtzman et al. 2020: keeps the fewest tokens that together have the probability p.
class TopP final : public Warper {
 public:
  explicit TopP(float p, std::size_t min_tokens_to_keep = 1) : p_(p), min_keep_(min_tokens_to_keep) {}
  [[nodiscard]] std::string_view name() const override { return "TopPLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  float p_;
  std::size_t min_keep_;
  std::vector<float> buffer_;
  std::vector<Candidate> candidates_;
};

/// Nguyen et al. 2024: drops tokens less probable than min_p times the most probable one.
class MinP final : public Warper {
 public:
  explicit MinP(float min_p, std::size_t min_tokens_to_keep = 1) : min_p_(min_p), min_keep_(min_tokens_to_keep) {}
  [[nodiscard]] std::string_view name() const override { return "MinPLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  float min_p_;
  std::size_t min_keep_;
  std::vector<float> buffer_;
};

/// Meister et al. 2022: keeps tokens whose -log p is nearest to the entropy, until they have the probability p.
class Typical final : public Warper {
 public:
  explicit Typical(float p, std::size_t min_tokens_to_keep = 1) : p_(p), min_keep_(min_tokens_to_keep) {}
  [[nodiscard]] std::string_view name() const override { return "TypicalLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  float p_;
  std::size_t min_keep_;
  std::vector<Candidate> candidates_;
};

/// Hewitt et al. 2022: drops tokens less probable than epsilon.
class EpsilonCutoff final : public Warper {
 public:
  explicit EpsilonCutoff(float epsilon, std::size_t min_tokens_to_keep = 1)
      : epsilon_(epsilon), min_keep_(min_tokens_to_keep) {}
  [[nodiscard]] std::string_view name() const override { return "EpsilonLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  float epsilon_;
  std::size_t min_keep_;
  std::vector<float> buffer_;
};

/// Hewitt et al. 2022: drops tokens less probable than min(epsilon, √epsilon · exp(-entropy)).
class EtaCutoff final : public Warper {
 public:
  explicit EtaCutoff(float epsilon, std::size_t min_tokens_to_keep = 1)
      : epsilon_(epsilon), min_keep_(min_tokens_to_keep) {}
  [[nodiscard]] std::string_view name() const override { return "EtaLogitsWarper"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;

 private:
  float epsilon_;
  std::size_t min_keep_;
  std::vector<float> buffer_;
};

/// Log-softmax of what was kept. In every mode, after all others.
class LogitNormalization final : public Warper {
 public:
  [[nodiscard]] std::string_view name() const override { return "LogitNormalization"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
};

}  // namespace bitnet::generate
