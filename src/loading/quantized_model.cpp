#include "loading/quantized_model.h"

#include <cmath>
#include <numeric>

#include "base/fail.h"
#include "base/float16.h"
#include "loading/gguf_blocks.h"
#include "pack/absmean.h"

namespace bitnet::loading {
namespace {

std::int64_t columns_of_one(Granularity granularity, std::int64_t cols) {
  switch (granularity) {
    case Granularity::group_64:
      return 64;
    case Granularity::group_128:
      return 128;
    default:
      return cols;
  }
}

/// s of each group of `columns` columns of each row; of the whole matrix when it is one.
std::vector<float> absmean_scales(const backend::DenseSource& source, bool whole, std::int64_t columns) {
  std::vector<float> scales;
  std::vector<float> row(static_cast<std::size_t>(source.cols));
  double total = 0;
  for (std::int64_t r = 0; r < source.rows; ++r) {
    read_dense_row(source, r, row);
    double of_row = 0;
    for (std::int64_t c = 0; c < source.cols; c += columns) {
      const std::int64_t end = std::min(c + columns, source.cols);
      double sum = 0;
      for (std::int64_t i = c; i < end; ++i) sum += std::fabs(row[static_cast<std::size_t>(i)]);
      if (!whole) scales.push_back(pack::absmean_scale(sum, end - c));
      of_row += sum;
    }
    total += of_row;
  }
  if (!std::isfinite(total)) {
    fail(ErrorKind::corrupt, "{} holds NaN or infinity; expected finite weights", source.name);
  }
  if (whole) scales.push_back(pack::absmean_scale(total, source.rows * source.cols));
  return scales;
}

std::size_t scale_index(std::size_t count, std::int64_t rows, std::int64_t columns, std::int64_t row,
                        std::int64_t column) {
  if (count == 1) return 0;
  return static_cast<std::size_t>(row * (static_cast<std::int64_t>(count) / rows) + column / columns);
}

/// γ of a scale. Of many for small groups, block types hold it in half precision: it is rounded to that from the start,
/// so that every form has the same.
float gamma_of(Granularity granularity, float s) {
  const float exact = 1.0F / s;
  const float half = f16_to_f32(f32_to_f16(exact));
  const bool grouped = granularity == Granularity::group_64 || granularity == Granularity::group_128;
  return grouped && std::isfinite(half) ? half : exact;
}

QuantizedLayer describe(const backend::DenseSource& source, const std::string& name, const std::vector<float>& scales,
                        const std::vector<float>& gammas, std::int64_t columns) {
  QuantizedLayer out{name, source.rows, source.cols, 0, 0, 0, static_cast<std::int64_t>(scales.size())};
  std::vector<float> row(static_cast<std::size_t>(source.cols));
  double squares = 0;
  double errors = 0;
  double zeros = 0;
  for (std::int64_t r = 0; r < source.rows; ++r) {
    read_dense_row(source, r, row);
    for (std::int64_t c = 0; c < source.cols; ++c) {
      const float w = row[static_cast<std::size_t>(c)];
      const std::size_t i = scale_index(scales.size(), source.rows, columns, r, c);
      const std::int8_t t = pack::ternary_weight(w, scales[i]);
      const double error = static_cast<double>(w) - static_cast<double>(t) * static_cast<double>(gammas[i]);
      squares += static_cast<double>(w) * static_cast<double>(w);
      errors += error * error;
      zeros += t == 0 ? 1 : 0;
    }
  }
  out.error = squares > 0 ? std::sqrt(errors / squares) : 0;
  out.zeros = zeros / static_cast<double>(source.rows * source.cols);
  out.scale =
      static_cast<float>(std::accumulate(gammas.begin(), gammas.end(), 0.0) / static_cast<double>(gammas.size()));
  return out;
}

}  // namespace

QuantizedModel::QuantizedModel(std::unique_ptr<StoredModel> floats, Granularity granularity,
                               std::function<void(const QuantizedLayer&)> on_tensor)
    : floats_(std::move(floats)), granularity_(granularity), on_tensor_(std::move(on_tensor)) {
  config_ = floats_->config();
}

StoredLinear QuantizedModel::linear(const model::TensorRule& rule, std::int64_t layer) const {
  std::optional<StoredLinear> found = floats_->float_linear(rule, layer);
  if (!found) return floats_->linear(rule, layer);
  const backend::DenseSource source = *found->dense;
  const std::int64_t columns = columns_of_one(granularity_, rule.cols);
  const std::vector<float> scales = absmean_scales(source, granularity_ == Granularity::tensor, columns);
  std::vector<float> gammas;
  for (const float s : scales) gammas.push_back(gamma_of(granularity_, s));
  if (on_tensor_ && described_.insert(found->name).second) {
    on_tensor_(describe(source, found->name, scales, gammas, columns));
  }
  StoredLinear out;
  out.name = found->name;
  out.scales.values = std::move(gammas);
  out.scales.group = columns == rule.cols ? 0 : columns;
  out.scales.bias = std::move(found->dense_bias);
  backend::TernarySource& ternary = out.ternary.emplace();
  ternary.name = source.name;
  ternary.form = backend::TernaryForm::decoded;
  ternary.out = rule.rows;
  ternary.in = rule.cols;
  ternary.decode = [source, scales, columns](std::int64_t row, std::int64_t rows, std::int8_t* weights) {
    std::vector<float> floats(static_cast<std::size_t>(source.cols));
    for (std::int64_t r = row; r < row + rows; ++r) {
      read_dense_row(source, r, floats);
      for (std::int64_t c = 0; c < source.cols; ++c) {
        *weights++ = pack::ternary_weight(floats[static_cast<std::size_t>(c)],
                                          scales[scale_index(scales.size(), source.rows, columns, r, c)]);
      }
    }
  };
  return out;
}

}  // namespace bitnet::loading
