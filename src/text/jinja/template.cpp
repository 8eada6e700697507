#include "text/jinja/template.h"

#include "base/utf8.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace bitnet::jinja {
namespace {

Value from_json(Machine& machine, const Json& json) {
  const Nested nested(machine);
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<std::int64_t>();
    case Json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) machine.overflow();
      return json.get<std::int64_t>();
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return constant_text(valid_utf8(json.get_ref<const std::string&>()));
    case Json::value_t::array: {
      ListBuilder list(machine);
      for (const Json& item : json) list.add(from_json(machine, item));
      return list.finish();
    }
    case Json::value_t::object: {
      DictBuilder dict(machine);
      for (const auto& [key, value] : json.items()) dict.set(constant_text(valid_utf8(key)), from_json(machine, value));
      return dict.finish();
    }
    default:
      return None{};
  }
}

}  // namespace

Template::Template(std::string_view source, std::string source_name)
    : source_name_(std::move(source_name)), tree_(std::make_shared<const Tree>(parse(source, source_name_))) {}

Rendered Template::render(const Json& variables, std::chrono::system_clock::time_point now,
                          const Limits& limits) const {
  Machine machine(source_name_, limits);
  machine.now = now;
  Interpreter interpreter(machine, *tree_, from_json(machine, variables));
  Rendered rendered;
  rendered.text = interpreter.run();
  rendered.generation_spans = std::move(machine.generation_spans);
  return rendered;
}

}  // namespace bitnet::jinja
