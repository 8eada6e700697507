#include "bitnet/settings.h"

#include <algorithm>
#include <limits>

#include "base/fail.h"
#include "base/json_reader.h"

namespace bitnet {
namespace {

using S = InferenceSettings;
constexpr std::int64_t kMaxInt = std::numeric_limits<std::int32_t>::max();
constexpr double kLargestFloat = std::numeric_limits<float>::max();

/// One field: its name and how JSON that is not null sets it.
struct Field {
  const char* name;
  void (*read)(S& s, const JsonReader& in, const char* key);
};

template <auto Member>
void read_number(S& s, const JsonReader& in, const char* key) {
  s.*Member = static_cast<float>(in.number_or(key, 0, -kLargestFloat, kLargestFloat));
}
template <auto Member>
void read_integer(S& s, const JsonReader& in, const char* key) {
  s.*Member = static_cast<std::int32_t>(in.integer(key, -kMaxInt, kMaxInt));
}
template <auto Member>
void read_bool(S& s, const JsonReader& in, const char* key) {
  s.*Member = in.boolean_or(key, false);
}
template <auto Member>
void read_string(S& s, const JsonReader& in, const char* key) {
  s.*Member = in.string_or(key, "");
}
template <auto Member>
void read_id(S& s, const JsonReader& in, const char* key) {
  s.*Member = static_cast<std::int32_t>(in.integer(key, 0, kMaxInt));
}

bool is_integer_in(const Json& value, std::int64_t low, std::int64_t high) {
  return value.is_number_integer() && value >= low && value <= high;
}

bool is_float(const Json& value) {
  return value.is_number() && value.get<double>() >= -kLargestFloat && value.get<double>() <= kLargestFloat;
}

std::vector<std::int32_t> ids_of(const Json& list, const JsonReader& in, const char* key, const char* expected) {
  std::vector<std::int32_t> ids;
  if (!list.is_array()) in.bad(key, list, expected);
  for (const Json& id : list) {
    if (!is_integer_in(id, 0, kMaxInt)) in.bad(key, list, expected);
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

template <auto Member>
void read_ids(S& s, const JsonReader& in, const char* key) {
  s.*Member = ids_of(*in.find(key), in, key, "a list of token ids");
}

void read_eos(S& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  s.eos_token_id = value.is_number() ? std::vector{static_cast<std::int32_t>(in.integer(key, 0, kMaxInt))}
                                     : ids_of(value, in, key, "a token id or a list of token ids");
}

void read_bad_words(S& s, const JsonReader& in, const char* key) {
  constexpr const char* kExpected = "a list of lists of token ids";
  const Json& value = *in.find(key);
  if (!value.is_array()) in.bad(key, value, kExpected);
  s.bad_words_ids.clear();
  for (const Json& word : value) s.bad_words_ids.push_back(ids_of(word, in, key, kExpected));
}

void read_sequence_bias(S& s, const JsonReader& in, const char* key) {
  constexpr const char* kExpected = "a list of pairs like [[token ids], number]";
  const Json& value = *in.find(key);
  if (!value.is_array()) in.bad(key, value, kExpected);
  s.sequence_bias.clear();
  for (const Json& pair : value) {
    if (!pair.is_array() || pair.size() != 2 || !is_float(pair[1])) in.bad(key, pair, kExpected);
    s.sequence_bias.push_back({ids_of(pair[0], in, key, kExpected), pair[1].get<float>()});
  }
}

void read_decay(S& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  if (!value.is_array() || value.size() != 2 || !is_integer_in(value[0], -kMaxInt, kMaxInt) || !is_float(value[1])) {
    in.bad(key, value, "a pair like [start, factor]");
  }
  s.exponential_decay_length_penalty = {value[0].get<std::int32_t>(), value[1].get<float>()};
}

void read_early_stopping(S& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  if (value == "never") {
    s.early_stopping = EarlyStopping::never;
  } else if (value.is_boolean()) {
    s.early_stopping = value.get<bool>() ? EarlyStopping::yes : EarlyStopping::no;
  } else {
    in.bad(key, value, "true, false or \"never\"");
  }
}

void read_stop_strings(S& s, const JsonReader& in, const char* key) {
  constexpr const char* kExpected = "a string or a list of strings";
  const Json& value = *in.find(key);
  s.stop_strings.clear();
  if (!value.is_array()) {
    if (!value.is_string()) in.bad(key, value, kExpected);
    s.stop_strings.push_back(value.get<std::string>());
    return;
  }
  for (const Json& text : value) {
    if (!text.is_string()) in.bad(key, value, kExpected);
    s.stop_strings.push_back(text.get<std::string>());
  }
}

void read_seed(S& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  if (!value.is_number_unsigned()) in.bad(key, value, "an integer from 0 to 18446744073709551615");
  s.seed = value.get<std::uint64_t>();
}

void read_max_time(S& s, const JsonReader& in, const char* key) {
  s.max_time = in.number_or(key, 0, -kLargestFloat, kLargestFloat);
}

constexpr Field kFields[] = {
    {"do_sample", read_bool<&S::do_sample>},
    {"temperature", read_number<&S::temperature>},
    {"top_k", read_integer<&S::top_k>},
    {"top_p", read_number<&S::top_p>},
    {"min_p", read_number<&S::min_p>},
    {"typical_p", read_number<&S::typical_p>},
    {"epsilon_cutoff", read_number<&S::epsilon_cutoff>},
    {"eta_cutoff", read_number<&S::eta_cutoff>},
    {"top_h", read_number<&S::top_h>},
    {"repetition_penalty", read_number<&S::repetition_penalty>},
    {"renormalize_logits", read_bool<&S::renormalize_logits>},
    {"seed", read_seed},
    {"max_new_tokens", read_integer<&S::max_new_tokens>},
    {"max_length", read_integer<&S::max_length>},
    {"min_length", read_integer<&S::min_length>},
    {"min_new_tokens", read_integer<&S::min_new_tokens>},
    {"max_time", read_max_time},
    {"exponential_decay_length_penalty", read_decay},
    {"batch_size", read_integer<&S::batch_size>},
    {"num_return_sequences", read_integer<&S::num_return_sequences>},
    {"num_beams", read_integer<&S::num_beams>},
    {"num_beam_groups", read_integer<&S::num_beam_groups>},
    {"early_stopping", read_early_stopping},
    {"length_penalty", read_number<&S::length_penalty>},
    {"diversity_penalty", read_number<&S::diversity_penalty>},
    {"penalty_alpha", read_number<&S::penalty_alpha>},
    {"prompt_lookup_num_tokens", read_integer<&S::prompt_lookup_num_tokens>},
    {"max_matching_ngram_size", read_integer<&S::max_matching_ngram_size>},
    {"no_repeat_ngram_size", read_integer<&S::no_repeat_ngram_size>},
    {"bad_words_ids", read_bad_words},
    {"sequence_bias", read_sequence_bias},
    {"suppress_tokens", read_ids<&S::suppress_tokens>},
    {"begin_suppress_tokens", read_ids<&S::begin_suppress_tokens>},
    {"remove_invalid_values", read_bool<&S::remove_invalid_values>},
    {"eos_token_id", read_eos},
    {"ignore_eos", read_bool<&S::ignore_eos>},
    {"bos_token_id", read_id<&S::bos_token_id>},
    {"pad_token_id", read_id<&S::pad_token_id>},
    {"decoder_start_token_id", read_id<&S::decoder_start_token_id>},
    {"forced_bos_token_id", read_id<&S::forced_bos_token_id>},
    {"forced_eos_token_id", read_id<&S::forced_eos_token_id>},
    {"stop_strings", read_stop_strings},
    {"prefix", read_string<&S::prefix>},
    {"system_prompt", read_string<&S::system_prompt>},
    {"threads", read_integer<&S::threads>},
    {"use_cache", read_bool<&S::use_cache>},
    {"attention_mask", read_bool<&S::attention_mask>},
    {"output_attentions", read_bool<&S::output_attentions>},
    {"output_hidden_states", read_bool<&S::output_hidden_states>},
    {"output_scores", read_bool<&S::output_scores>},
    {"return_dict_in_generate", read_bool<&S::return_dict_in_generate>},
};

}  // namespace

void InferenceSettings::apply_json(std::string_view json, std::string_view source, bool strict) {
  const Json object = parse_json(json, source);
  if (!object.is_object()) fail(ErrorKind::corrupt, "{}: expected a JSON object of settings", source);
  const JsonReader in(object, source, "");
  for (const Field& field : kFields) {
    if (in.find(field.name) != nullptr) field.read(*this, in, field.name);
  }
  // The one field whose default is a number, but that can also be off.
  const auto new_tokens = object.find("max_new_tokens");
  if (new_tokens != object.end() && new_tokens->is_null()) max_new_tokens.reset();
  if (!strict) return;
  // The default max_new_tokens must not win over a length that somebody asked for.
  if (new_tokens == object.end() && in.find("max_length") != nullptr) max_new_tokens.reset();
  for (const auto& item : object.items()) {
    const bool known = std::any_of(std::begin(kFields), std::end(kFields),
                                   [&](const Field& field) { return item.key() == field.name; });
    if (!known) fail(ErrorKind::invalid_argument, "{}: \"{}\" is not a generation setting", source, item.key());
  }
}

}  // namespace bitnet
