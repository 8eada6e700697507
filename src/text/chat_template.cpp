#include <algorithm>

#include "base/fail.h"
#include "base/json.h"
#include "base/text_file.h"
#include "bitnet/chat.h"
#include "text/jinja/template.h"
#include "text/jinja/unicode.h"

namespace bitnet {
namespace {

constexpr std::size_t kMaxTemplateBytes = std::size_t{4} << 20;
constexpr std::string_view kContinueMark = "CONTINUE_FINAL_MESSAGE_TAG ";

std::string stripped(std::string_view text) { return std::string(jinja::strip(text, nullptr, true, true)); }

/// A special token is written as its text or as an object with its text.
void read_special_tokens(const Json& json, std::map<std::string, std::string>& tokens) {
  constexpr const char* kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
  for (const char* name : kNames) {
    const auto found = json.find(name);
    if (found == json.end()) continue;
    if (found->is_string()) {
      tokens[name] = found->get<std::string>();
    } else if (found->is_object() && found->contains("content") && (*found)["content"].is_string()) {
      tokens[name] = (*found)["content"].get<std::string>();
    }
  }
}

Json object_of(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return Json::object();
  Json json = read_json_file(path);
  if (!json.is_object()) fail(ErrorKind::corrupt, "{} holds {}, not an object", path.string(), json.type_name());
  return json;
}

/// "[USER] text\n" for every message.
std::string render_plain(const Json& messages, const ChatOptions& options) {
  std::string text;
  for (const Json& message : messages) {
    std::string role = message["role"].get<std::string>();
    std::transform(role.begin(), role.end(), role.begin(), [](unsigned char c) { return std::toupper(c); });
    const Json& content = message["content"];
    text += fmt::format("[{}] {}\n", role, content.is_string() ? content.get<std::string>() : content.dump());
  }
  if (options.add_generation_prompt) text += "[ASSISTANT] ";
  return text;
}

/// Puts the mark behind the last message's text, and returns that text.
std::string mark_final_message(Json& messages) {
  if (messages.empty() || !messages.back().contains("content")) {
    fail(ErrorKind::invalid_argument, "continue_final_message is set but there is no final message with content");
  }
  Json& content = messages.back()["content"];
  if (content.is_string()) {
    const std::string text = content.get<std::string>();
    content = text + std::string(kContinueMark);
    return text;
  }
  if (content.is_array()) {
    for (auto part = content.rbegin(); part != content.rend(); ++part) {
      if (!part->is_object() || !part->contains("text") || !(*part)["text"].is_string()) continue;
      const std::string text = (*part)["text"].get<std::string>();
      (*part)["text"] = text + std::string(kContinueMark);
      return text;
    }
  }
  fail(ErrorKind::invalid_argument,
       "continue_final_message is set but we could not find any text to continue in the final message!");
}

/// Cuts behind the final message: where the mark is, without the space before it when the template ate the mark's.
void cut_at_mark(std::string& text, const std::string& final_message) {
  const std::string mark = stripped(kContinueMark);
  const std::size_t at = text.rfind(mark);
  if (at == std::string::npos || text.find(stripped(final_message)) == std::string::npos) {
    fail(ErrorKind::invalid_argument,
         "continue_final_message is set but the final message does not appear in the chat after applying the chat "
         "template! This can happen if the chat template deletes portions of the final message. Please verify the "
         "chat template and final message in your chat to ensure they are compatible.Final message to continue: "
         "{}\nRendered chat:\n{}",
         stripped(final_message), text);
  }
  const bool space_kept = text.compare(at, kContinueMark.size(), kContinueMark) == 0;
  text.resize(at);
  if (!space_kept) text = std::string(jinja::strip(text, nullptr, false, true));
}

Json parse_optional(const std::string& text, std::string_view source) {
  return text.empty() ? Json() : parse_json(text, source);
}

Json to_json(const ChatMessage& message) {
  Json json = Json::object();
  json["role"] = to_string(message.role);
  json["content"] = message.content;
  if (!message.tool_calls_json.empty()) json["tool_calls"] = parse_json(message.tool_calls_json, "tool_calls");
  if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
  if (!message.name.empty()) json["name"] = message.name;
  return json;
}

}  // namespace

struct ChatTemplate::Impl {
  std::optional<jinja::Template> main;
  std::optional<jinja::Template> with_tools;  ///< of checkpoints that keep a second one for tools
  std::map<std::string, std::string> special_tokens;

  [[nodiscard]] RenderedChat render(Json messages, const ChatOptions& options) const {
    if (options.add_generation_prompt && options.continue_final_message) {
      fail(ErrorKind::invalid_argument,
           "continue_final_message and add_generation_prompt are not compatible. Use continue_final_message when you "
           "want the model to continue the final message, and add_generation_prompt when you want to add a header "
           "that will prompt it to start a new assistant message instead.");
    }
    for (const Json& message : messages) {
      if (!message.is_object())
        fail(ErrorKind::invalid_argument, "a chat message is {}, not an object", message.type_name());
      if (!main && (!message.contains("content") || !message.contains("role") || !message["role"].is_string())) {
        fail(ErrorKind::invalid_argument, "a chat message needs a role and a content");
      }
    }
    std::string final_message;
    if (options.continue_final_message) final_message = mark_final_message(messages);
    RenderedChat rendered =
        main ? render_template(std::move(messages), options) : RenderedChat{render_plain(messages, options), {}};
    if (options.continue_final_message) cut_at_mark(rendered.text, final_message);
    return rendered;
  }

 private:
  [[nodiscard]] RenderedChat render_template(Json messages, const ChatOptions& options) const {
    Json variables = Json::object();
    for (const auto& [name, token] : special_tokens) variables[name] = token;
    const Json extra = parse_optional(options.extra_json, "the extra template variables");
    if (!extra.is_null() && !extra.is_object()) {
      fail(ErrorKind::invalid_argument, "the extra template variables are {}, not a JSON object", extra.type_name());
    }
    for (const auto& [name, value] : extra.items()) variables[name] = value;
    variables["messages"] = std::move(messages);
    variables["tools"] = parse_optional(options.tools_json, "the tools");
    if (!variables.contains("documents")) variables["documents"] = nullptr;
    variables["add_generation_prompt"] = options.add_generation_prompt;
    const bool tools = !variables["tools"].is_null();
    const jinja::Template& chosen = tools && with_tools ? *with_tools : *main;
    jinja::Rendered rendered = chosen.render(variables, options.now.value_or(std::chrono::system_clock::now()));
    return {std::move(rendered.text), std::move(rendered.generation_spans)};
  }
};

const char* to_string(Role role) noexcept {
  constexpr const char* kNames[] = {"system", "user", "assistant", "tool"};
  return kNames[static_cast<int>(role)];
}

Role role_from_string(std::string_view name) {
  for (const Role role : {Role::system, Role::user, Role::assistant, Role::tool}) {
    if (name == to_string(role)) return role;
  }
  fail(ErrorKind::invalid_argument, "'{}' is no role; expected system, user, assistant or tool", name);
}

ChatTemplate::ChatTemplate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

ChatTemplate ChatTemplate::from_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) fail(ErrorKind::not_found, "{} is not a folder", folder.string());
  auto impl = std::make_shared<Impl>();
  const Json config = object_of(folder / "tokenizer_config.json");
  read_special_tokens(object_of(folder / "special_tokens_map.json"), impl->special_tokens);
  read_special_tokens(config, impl->special_tokens);
  if (const auto file = folder / "chat_template.jinja"; std::filesystem::exists(file)) {
    impl->main.emplace(read_text_file(file, kMaxTemplateBytes), "chat_template.jinja");
    return ChatTemplate(std::move(impl));
  }
  const std::string source_name = "chat_template of tokenizer_config.json";
  const Json none;
  const Json& value = config.contains("chat_template") ? config["chat_template"] : none;
  if (value.is_string()) {
    impl->main.emplace(value.get<std::string>(), source_name);
  } else if (value.is_array()) {
    for (const Json& entry : value) {
      if (!entry.is_object() || !entry.contains("name") || !entry.contains("template") || !entry["name"].is_string() ||
          !entry["template"].is_string()) {
        fail(ErrorKind::corrupt, "{}: an entry of the list is not a name and a template", source_name);
      }
      const std::string name = entry["name"].get<std::string>();
      const std::string source = entry["template"].get<std::string>();
      if (name == "default") impl->main.emplace(source, source_name + " (default)");
      if (name == "tool_use") impl->with_tools.emplace(source, source_name + " (tool_use)");
    }
    if (!impl->main) fail(ErrorKind::corrupt, "{}: the list has no template named 'default'", source_name);
  } else if (!value.is_null()) {
    fail(ErrorKind::corrupt, "{} is {}, not a string or a list", source_name, value.type_name());
  }
  return ChatTemplate(std::move(impl));
}

ChatTemplate ChatTemplate::from_source(std::string_view source, std::map<std::string, std::string> special_tokens,
                                       std::string source_name) {
  auto impl = std::make_shared<Impl>();
  impl->main.emplace(source, std::move(source_name));
  impl->special_tokens = std::move(special_tokens);
  return ChatTemplate(std::move(impl));
}

ChatTemplate ChatTemplate::plain() { return ChatTemplate(std::make_shared<Impl>()); }

bool ChatTemplate::is_plain() const noexcept { return !impl_->main; }

RenderedChat ChatTemplate::render(std::span<const ChatMessage> messages, const ChatOptions& options) const {
  Json list = Json::array();
  for (const ChatMessage& message : messages) list.push_back(to_json(message));
  return impl_->render(std::move(list), options);
}

RenderedChat ChatTemplate::render_json(std::string_view messages_json, const ChatOptions& options) const {
  Json list = parse_json(messages_json, "the messages");
  if (!list.is_array()) fail(ErrorKind::invalid_argument, "the messages are {}, not a JSON array", list.type_name());
  return impl_->render(std::move(list), options);
}

}  // namespace bitnet
