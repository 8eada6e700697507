#include "model/weights.h"

#include <cassert>

namespace bitnet::model {
namespace {

LinearWeights* linear_of(LayerWeights& layer, Field field) {
  switch (field) {
    case Field::q:
      return &layer.q;
    case Field::k:
      return &layer.k;
    case Field::v:
      return &layer.v;
    case Field::o:
      return &layer.o;
    case Field::gate:
      return &layer.gate;
    case Field::up:
      return &layer.up;
    case Field::down:
      return &layer.down;
    default:
      return nullptr;
  }
}

}  // namespace

LinearWeights& ModelWeights::linear(Field field, std::int64_t layer) {
  LinearWeights* found = linear_of(layers[static_cast<std::size_t>(layer)], field);
  assert(found != nullptr);
  return *found;
}

std::vector<float>& ModelWeights::norm(Field field, std::int64_t layer) {
  if (field == Field::final_norm) return final_norm;
  LayerWeights& weights = layers[static_cast<std::size_t>(layer)];
  switch (field) {
    case Field::input_norm:
      return weights.input_norm;
    case Field::q_norm:
      return weights.q_norm;
    case Field::k_norm:
      return weights.k_norm;
    case Field::attn_sub_norm:
      return weights.attn_sub_norm;
    case Field::attn_branch_norm:
      return weights.attn_branch_norm;
    case Field::ffn_sub_norm:
      return weights.ffn_sub_norm;
    case Field::ffn_branch_norm:
      return weights.ffn_branch_norm;
    default:
      assert(field == Field::ffn_norm);
      return weights.ffn_norm;
  }
}

std::unique_ptr<backend::DenseWeights>& ModelWeights::dense(Field field) {
  assert(field == Field::embed || field == Field::head);
  return field == Field::embed ? embed : head;
}

const LinearWeights* ModelWeights::find_linear(std::string_view name) const {
  for (const LayerWeights& layer : layers) {
    for (const LinearWeights* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      if (linear->name == name) return linear;
    }
  }
  return nullptr;
}

}  // namespace bitnet::model
