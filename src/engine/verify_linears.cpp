/// Every linear layer by itself, and a short prompt whose linear inputs are known.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "engine/verifier.h"

namespace bitnet {

// --- io.*: a short prompt, every linear by itself

std::vector<std::string> Verifier::linear_modules() const {
  std::vector<std::string> modules;
  for (const std::string& name : reference_.names()) {
    if (name.starts_with("io.lin.") && name.ends_with(".in")) modules.push_back(name.substr(7, name.size() - 10));
  }
  return modules;
}

void Verifier::linears() {
  for (const std::string& module : linear_modules()) {
    const std::string in_name = "io.lin." + module + ".in";
    const model::LinearWeights* linear = model_.weights().find_linear(module);
    if (linear == nullptr || !linear->ternary) {
      fail(ErrorKind::corrupt, "{}: \"{}\": this model has no ternary linear layer \"{}\"", reference_.path(), in_name,
           module);
    }
    const std::int64_t in = linear->ternary->in();
    const std::int64_t out = linear->ternary->out();
    const ReferenceTensor x = reference_.floats(in_name, {1, -1, in});
    const std::int64_t tokens = x.dims[1];
    const ReferenceTensor theirs = reference_.floats("io.lin." + module + ".out", {1, tokens, out});
    std::vector<float> ours(static_cast<std::size_t>(tokens * out));
    model_.run_linear(*linear, {x.values.data(), tokens, in}, {ours.data(), tokens, out});

    // Relative to each row's largest output, because integer sums cancel and the reference's float sums do not.
    double relative = 0;
    Difference difference;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const auto row =
          std::span<const float>(ours).subspan(static_cast<std::size_t>(t * out), static_cast<std::size_t>(out));
      Difference here;
      here.add(row, theirs.row(t));
      difference.add(row, theirs.row(t));
      float most = 0;
      for (const float y : theirs.row(t)) most = std::max(most, std::fabs(y));
      relative = std::max(relative, here.largest() / (most > 0 && std::isfinite(most) ? most : 1.0F));
      difference.add_flips(count_differing(kernel_int8(x.row(t)), int8_of(x.row(t))));
    }
    Comparison comparison = difference.comparison("io.lin." + module + ".out");
    comparison.largest = relative;
    comparison.largest_allowed = Tolerance::kLinear;
    comparison.flips_allowed = 0;
    add(comparison);
  }
}

std::vector<std::int8_t> Verifier::kernel_int8(std::span<const float> x) const {
  const std::size_t padded = (x.size() + 63) / 64 * 64;
  std::vector<std::int8_t> values(padded);
  std::vector<std::int32_t> sums(padded / 64);
  kernels_.quantize_activations(x.data(), std::ssize(x), static_cast<std::int64_t>(padded), values.data(), sums.data());
  values.resize(x.size());
  return values;
}

void Verifier::io_pass() {
  if (!reference_.has("io.input_ids")) return;
  const Ids ids = reference_.integers("io.input_ids").front();
  const auto tokens = std::ssize(ids);
  model::KvSequence sequence = model_.make_sequence();
  Recorder recorder;
  const Logits logits = forward(sequence, ids, &recorder);

  std::vector<std::pair<std::string, Difference>> inputs_compared;
  std::int64_t flips = 0;
  for (const std::string& module : linear_modules()) {
    const std::string name = "io.lin." + module + ".in";
    const Rows& inputs = inputs_of(name, module, recorder);
    const ReferenceTensor theirs = reference_.floats(name, {1, tokens, std::ssize(inputs.front())});
    Difference difference;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const std::vector<float>& row = inputs[static_cast<std::size_t>(t)];
      difference.add(row, theirs.row(t));
      const std::int64_t flipped = count_differing(int8_of(row), int8_of(theirs.row(t)));
      difference.add_flips(flipped);
      flips += flipped;
    }
    inputs_compared.emplace_back(name, difference);
  }
  for (const auto& [name, difference] : inputs_compared) add_scaled(difference, name, flips != 0);
  for (std::int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    compare_rows(fmt::format("io.layer_out.{}", layer), {&recorder.rows("hook_resid_post", layer)}, flips != 0);
  }
  compare_logits("io.logits", {logits}, 0, tokens, flips != 0);
}

}  // namespace bitnet
