#include "engine/verify.h"

#include <algorithm>

#include "base/cpu_features.h"
#include "base/fail.h"
#include "bitnet/quantize.h"
#include "engine/verifier.h"
#include "kernels/dispatch.h"

namespace bitnet {

std::int64_t count_differing(std::span<const std::int8_t> a, std::span<const std::int8_t> b) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1 : 0;
  return count;
}

std::vector<std::int8_t> int8_of(std::span<const float> x) { return quantize_activations(x, x.size()).values; }

Verifier::Verifier(const Engine& engine, const ReferenceFile& reference)
    : lock_(engine.state().computing),
      model_(*engine.state().transformer),
      config_(model_.config()),
      reference_(reference),
      kernels_(kernels::choose_table(engine.state().kernels_name, detect_cpu_features())) {}

VerifyReport Verifier::run() {
  prompts();
  linears();
  io_pass();
  full_pass();
  cached_passes();
  left_padded();
  if (report_.comparisons.empty()) {
    fail(ErrorKind::not_found,
         "{}: holds none of the tensors that can be compared (promptN.input_ids, io.*, input_ids)", reference_.path());
  }
  return std::move(report_);
}

Verifier::Logits Verifier::forward(model::KvSequence& sequence, std::span<const std::int32_t> ids, Recorder* recorder) {
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : ids) batch.push_back({id, 0, true});
  Logits logits{{}, static_cast<std::size_t>(config_.vocab_size)};
  logits.values.resize(ids.size() * logits.vocab);
  model::KvSequence* const sequences[] = {&sequence};
  model_.forward(batch, sequences, {logits.values.data(), std::ssize(ids), config_.vocab_size}, recorder);
  return logits;
}

void Verifier::add_exact(const Difference& difference, const std::string& name, double allowed) {
  Comparison comparison = difference.comparison(name);
  comparison.largest_allowed = allowed;
  add(comparison);
}

void Verifier::add_scaled(const Difference& difference, const std::string& name, bool may_have_flipped) {
  add(judge_network(difference.comparison(name), may_have_flipped, std::max(1.0, difference.reference_rms())));
}

bool VerifyReport::ok() const {
  return std::all_of(comparisons.begin(), comparisons.end(), [](const Comparison& one) { return one.ok(); });
}

VerifyReport verify(const Engine& engine, const std::filesystem::path& reference) {
  const ReferenceFile file(reference);
  return Verifier(engine, file).run();
}

}  // namespace bitnet
