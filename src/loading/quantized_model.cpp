#include "loading/quantized_model.h"

#include <cmath>

#include "base/fail.h"
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

float scale_of(const std::vector<float>& scales, std::int64_t rows, std::int64_t columns, std::int64_t row,
               std::int64_t column) {
  if (scales.size() == 1) return scales[0];
  const std::int64_t groups = static_cast<std::int64_t>(scales.size()) / rows;
  return scales[static_cast<std::size_t>(row * groups + column / columns)];
}

QuantizedTensor describe(const backend::DenseSource& source, const std::string& name, const std::vector<float>& scales,
                         std::int64_t columns) {
  QuantizedTensor out{name, source.rows, source.cols, 0, 0, 0, static_cast<std::int64_t>(scales.size())};
  std::vector<float> row(static_cast<std::size_t>(source.cols));
  double squares = 0;
  double errors = 0;
  double zeros = 0;
  for (std::int64_t r = 0; r < source.rows; ++r) {
    read_dense_row(source, r, row);
    for (std::int64_t c = 0; c < source.cols; ++c) {
      const float w = row[static_cast<std::size_t>(c)];
      const float s = scale_of(scales, source.rows, columns, r, c);
      const std::int8_t t = pack::ternary_weight(w, s);
      const double error = static_cast<double>(w) - static_cast<double>(t) / static_cast<double>(s);
      squares += static_cast<double>(w) * static_cast<double>(w);
      errors += error * error;
      zeros += t == 0 ? 1 : 0;
    }
  }
  out.error = squares > 0 ? std::sqrt(errors / squares) : 0;
  out.zeros = zeros / static_cast<double>(source.rows * source.cols);
  double sum = 0;
  for (const float s : scales) sum += 1.0 / static_cast<double>(s);
  out.scale = static_cast<float>(sum / static_cast<double>(scales.size()));
  return out;
}

}  // namespace

QuantizedModel::QuantizedModel(std::unique_ptr<StoredModel> floats, Granularity granularity,
                               std::function<void(const QuantizedTensor&)> on_tensor)
    : floats_(std::move(floats)), granularity_(granularity), on_tensor_(std::move(on_tensor)) {
  config_ = floats_->config();
}

StoredLinear QuantizedModel::linear(const model::TensorRule& rule, std::int64_t layer) const {
  std::optional<StoredLinear> found = floats_->float_linear(rule, layer);
  if (!found) return floats_->linear(rule, layer);
  const backend::DenseSource source = *found->dense;
  const std::int64_t columns = columns_of_one(granularity_, rule.cols);
  const std::vector<float> scales = absmean_scales(source, granularity_ == Granularity::tensor, columns);
  if (on_tensor_) on_tensor_(describe(source, found->name, scales, columns));
  StoredLinear out;
  out.name = found->name;
  for (const float s : scales) out.scales.values.push_back(1.0F / s);
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
                                          scale_of(scales, source.rows, columns, r, c));
      }
    }
  };
  return out;
}

}  // namespace bitnet::loading
