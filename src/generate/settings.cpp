#include "bitnet/settings.h"

#include <functional>
#include <limits>

#include "base/fail.h"
#include "base/json_reader.h"

namespace bitnet {
namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<std::int32_t>::max();

/// One field: its name, how JSON sets it, and, for a field that does not work yet, whether it is set.
struct Field {
  const char* name;
  void (*read)(InferenceSettings& s, const JsonReader& in, const char* key);
  bool (*unsupported)(const InferenceSettings& s) = nullptr;
};

template <auto Member>
void read_number(InferenceSettings& s, const JsonReader& in, const char* key) {
  constexpr double kMax = std::numeric_limits<float>::max();
  s.*Member = static_cast<float>(in.number_or(key, 0, -kMax, kMax));
}
template <auto Member>
void read_integer(InferenceSettings& s, const JsonReader& in, const char* key) {
  s.*Member = static_cast<std::int32_t>(in.integer(key, -kMaxInt, kMaxInt));
}
template <auto Member>
void read_bool(InferenceSettings& s, const JsonReader& in, const char* key) {
  s.*Member = in.boolean_or(key, false);
}
template <auto Member>
void read_string(InferenceSettings& s, const JsonReader& in, const char* key) {
  s.*Member = in.string_or(key, "");
}
template <auto Member>
void read_id(InferenceSettings& s, const JsonReader& in, const char* key) {
  s.*Member = static_cast<std::int32_t>(in.integer(key, 0, kMaxInt));
}

std::vector<std::int32_t> ids_of(const Json& value, const JsonReader& in, const char* key) {
  std::vector<std::int32_t> ids;
  if (!value.is_array()) in.bad(key, value, "a list of token ids");
  for (const Json& id : value) {
    if (!id.is_number_integer() || id < 0 || id > kMaxInt) in.bad(key, value, "a list of token ids");
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

void read_eos(InferenceSettings& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  s.eos_token_id =
      value.is_array() ? ids_of(value, in, key) : std::vector{static_cast<std::int32_t>(in.integer(key, 0, kMaxInt))};
}

void read_bad_words(InferenceSettings& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  if (!value.is_array()) in.bad(key, value, "a list of lists of token ids");
  s.bad_words_ids.clear();
  for (const Json& word : value) s.bad_words_ids.push_back(ids_of(word, in, key));
}

void read_early_stopping(InferenceSettings& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  if (value == "never") {
    s.early_stopping = EarlyStopping::never;
  } else {
    s.early_stopping = in.boolean_or(key, false) ? EarlyStopping::yes : EarlyStopping::no;
  }
}

void read_stop_strings(InferenceSettings& s, const JsonReader& in, const char* key) {
  const Json& value = *in.find(key);
  s.stop_strings.clear();
  if (!value.is_array()) {
    s.stop_strings.push_back(in.string_or(key, ""));
    return;
  }
  for (const Json& text : value) {
    if (!text.is_string()) in.bad(key, value, "a string or a list of strings");
    s.stop_strings.push_back(text.get<std::string>());
  }
}

using S = InferenceSettings;

const Field kFields[] = {
    {"do_sample", read_bool<&S::do_sample>},
    {"temperature", read_number<&S::temperature>},
    {"top_k", read_integer<&S::top_k>},
    {"top_p", read_number<&S::top_p>},
    {"min_p", read_number<&S::min_p>},
    {"repetition_penalty", read_number<&S::repetition_penalty>},
    {"seed",
     [](S& s, const JsonReader& in, const char* key) {
       s.seed = static_cast<std::uint64_t>(in.integer(key, 0, std::numeric_limits<std::int64_t>::max()));
     }},
    {"max_new_tokens",
     [](S& s, const JsonReader& in, const char* key) {
       s.max_new_tokens = static_cast<std::int32_t>(in.integer(key, -kMaxInt, kMaxInt));
     }},
    {"max_length", read_integer<&S::max_length>},
    {"min_length", read_integer<&S::min_length>, [](const S& s) { return s.min_length != 0; }},
    {"min_new_tokens", read_integer<&S::min_new_tokens>, [](const S& s) { return s.min_new_tokens != 0; }},
    {"max_time", [](S& s, const JsonReader& in, const char* key) { s.max_time = in.number_or(key, 0, 0, 1e9); },
     [](const S& s) { return s.max_time.has_value(); }},
    {"batch_size", read_integer<&S::batch_size>, [](const S& s) { return s.batch_size != 1; }},
    {"num_return_sequences", read_integer<&S::num_return_sequences>,
     [](const S& s) { return s.num_return_sequences != 1; }},
    {"num_beams", read_integer<&S::num_beams>, [](const S& s) { return s.num_beams != 1; }},
    {"num_beam_groups", read_integer<&S::num_beam_groups>, [](const S& s) { return s.num_beam_groups != 1; }},
    {"early_stopping", read_early_stopping, [](const S& s) { return s.early_stopping != EarlyStopping::no; }},
    {"length_penalty", read_number<&S::length_penalty>, [](const S& s) { return s.length_penalty != 1.0F; }},
    {"diversity_penalty", read_number<&S::diversity_penalty>, [](const S& s) { return s.diversity_penalty != 0.0F; }},
    {"penalty_alpha", read_number<&S::penalty_alpha>, [](const S& s) { return s.penalty_alpha != 0.0F; }},
    {"no_repeat_ngram_size", read_integer<&S::no_repeat_ngram_size>,
     [](const S& s) { return s.no_repeat_ngram_size != 0; }},
    {"bad_words_ids", read_bad_words, [](const S& s) { return !s.bad_words_ids.empty(); }},
    {"suppress_tokens",
     [](S& s, const JsonReader& in, const char* key) { s.suppress_tokens = ids_of(*in.find(key), in, key); },
     [](const S& s) { return !s.suppress_tokens.empty(); }},
    {"remove_invalid_values", read_bool<&S::remove_invalid_values>, [](const S& s) { return s.remove_invalid_values; }},
    {"eos_token_id", read_eos},
    {"ignore_eos", read_bool<&S::ignore_eos>},
    {"bos_token_id", read_id<&S::bos_token_id>},
    {"pad_token_id", read_id<&S::pad_token_id>},
    {"decoder_start_token_id", read_id<&S::decoder_start_token_id>,
     [](const S& s) { return s.decoder_start_token_id.has_value(); }},
    {"forced_bos_token_id", read_id<&S::forced_bos_token_id>,
     [](const S& s) { return s.forced_bos_token_id.has_value(); }},
    {"forced_eos_token_id", read_id<&S::forced_eos_token_id>,
     [](const S& s) { return s.forced_eos_token_id.has_value(); }},
    {"stop_strings", read_stop_strings},
    {"prefix", read_string<&S::prefix>},
    {"system_prompt", read_string<&S::system_prompt>},
    {"threads", read_integer<&S::threads>},
    {"use_cache", read_bool<&S::use_cache>, [](const S& s) { return !s.use_cache; }},
    {"attention_mask", read_bool<&S::attention_mask>, [](const S& s) { return !s.attention_mask; }},
    {"output_attentions", read_bool<&S::output_attentions>, [](const S& s) { return s.output_attentions; }},
    {"output_hidden_states", read_bool<&S::output_hidden_states>, [](const S& s) { return s.output_hidden_states; }},
    {"output_scores", read_bool<&S::output_scores>, [](const S& s) { return s.output_scores; }},
    {"return_dict_in_generate", read_bool<&S::return_dict_in_generate>,
     [](const S& s) { return s.return_dict_in_generate; }},
};

/// Written so that NaN is refused too.
template <typename T>
void require(bool holds, const char* name, T value, const char* range) {
  if (!holds) fail(ErrorKind::invalid_argument, "{} is {}; expected {}", name, value, range);
}

}  // namespace

void InferenceSettings::validate() const {
  for (const Field& field : kFields) {
    if (field.unsupported != nullptr && field.unsupported(*this)) {
      fail(ErrorKind::unsupported, "{} is set, but this version does not support it yet; leave it at its default",
           field.name);
    }
  }
  constexpr float kMost = std::numeric_limits<float>::max();
  if (do_sample)
    require(temperature > 0 && temperature <= kMost, "temperature", temperature, "a number greater than 0");
  require(top_k >= 0, "top_k", top_k, "0 (off) or more");
  require(top_p >= 0 && top_p <= 1, "top_p", top_p, "a number in [0, 1]");
  require(min_p >= 0 && min_p <= 1, "min_p", min_p, "a number in [0, 1]");
  require(repetition_penalty > 0 && repetition_penalty <= kMost, "repetition_penalty", repetition_penalty,
          "a number greater than 0");
  if (max_new_tokens) require(*max_new_tokens >= 0, "max_new_tokens", *max_new_tokens, "0 or more");
  require(max_length > 0, "max_length", max_length, "1 or more");
  require(threads >= 1 && threads <= 1024, "threads", threads, "1 to 1024");
  for (const std::int32_t id : eos_token_id) require(id >= 0, "eos_token_id", id, "0 or more");
  for (const std::string& text : stop_strings) {
    if (text.empty()) fail(ErrorKind::invalid_argument, "stop_strings holds an empty string; it would match at once");
  }
}

void InferenceSettings::apply_json(std::string_view json, std::string_view source, bool strict) {
  const Json object = parse_json(json, source);
  if (!object.is_object()) fail(ErrorKind::corrupt, "{}: expected a JSON object of settings", source);
  const JsonReader in(object, source, "");
  for (const Field& field : kFields) {
    if (in.find(field.name) != nullptr) field.read(*this, in, field.name);
  }
  // Null means "not set": the one field whose default is a number, but may be unset.
  if (const auto it = object.find("max_new_tokens"); it != object.end() && it->is_null()) max_new_tokens.reset();
  if (!strict) return;
  for (const auto& item : object.items()) {
    bool known = false;
    for (const Field& field : kFields) known = known || item.key() == field.name;
    if (!known) fail(ErrorKind::invalid_argument, "{}: \"{}\" is not a generation setting", source, item.key());
  }
}

}  // namespace bitnet
