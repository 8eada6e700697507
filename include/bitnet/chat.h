#pragma once
/// Conversations as the text a model was trained on. A checkpoint brings its chat template, a small program in Jinja;
/// docs/formats/chat-templates.md says what is read, how templates are bounded and what the plain format looks like.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitnet {

enum class Role { system, user, assistant, tool };

/// "system", "user", "assistant", "tool". The pointer stays valid for the life of the program.
[[nodiscard]] const char* to_string(Role role) noexcept;
/// Throws Error(invalid_argument) for any other word.
[[nodiscard]] Role role_from_string(std::string_view name);

struct ChatMessage {
  Role role = Role::user;
  std::string content = {};
  /// A JSON array of the calls an assistant made, as the OpenAI interface has them; empty: none.
  std::string tool_calls_json = {};
  /// Of a tool's answer: the call it answers, and the tool's name. Empty: not set.
  std::string tool_call_id = {};
  std::string name = {};
};

struct ChatOptions {
  /// Ends the text with what makes the model answer.
  bool add_generation_prompt = true;
  /// Leaves the last message open, so that the model goes on writing it. Not together with add_generation_prompt.
  bool continue_final_message = false;
  /// A JSON array of function descriptions; empty: none.
  std::string tools_json;
  /// A JSON object of further variables for the template; empty: none. They win over the special tokens.
  std::string extra_json;
  /// What a template that asks for the date sees; the current time when not set.
  std::optional<std::chrono::system_clock::time_point> now;
};

struct RenderedChat {
  std::string text;
  /// What the template marks as written by the assistant, as half-open ranges of code points of `text`.
  std::vector<std::pair<std::size_t, std::size_t>> generation_spans;
};

/// How a model wants its conversations written. Immutable; copying is cheap, and rendering from several threads at
/// once is safe.
class ChatTemplate {
 public:
  /// Reads chat_template.jinja (wins) or the chat_template of tokenizer_config.json, and the special tokens of
  /// tokenizer_config.json and special_tokens_map.json. A folder without a template gives the plain format. Throws
  /// Error(corrupt) for files or templates that break their format, Error(unsupported, limit) for templates that ask
  /// for too much, Error(not_found, io).
  [[nodiscard]] static ChatTemplate from_folder(const std::filesystem::path& folder);
  /// `special_tokens`: "bos_token" and the like. `source_name` begins the template's errors.
  [[nodiscard]] static ChatTemplate from_source(std::string_view source,
                                                std::map<std::string, std::string> special_tokens,
                                                std::string source_name = "chat template");
  /// "[SYSTEM] text\n[USER] text\n[ASSISTANT] text\n", and "[ASSISTANT] " to make the model answer.
  [[nodiscard]] static ChatTemplate plain();

  /// True for the plain format.
  [[nodiscard]] bool is_plain() const noexcept;

  /// Throws Error(invalid_argument) when the template refuses the conversation or an option is wrong,
  /// Error(corrupt) for JSON that is none, Error(limit) when the template reaches a bound.
  [[nodiscard]] RenderedChat render(std::span<const ChatMessage> messages, const ChatOptions& options = {}) const;
  /// The same for messages that are a JSON array, as they came in: every key reaches the template.
  [[nodiscard]] RenderedChat render_json(std::string_view messages_json, const ChatOptions& options = {}) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace bitnet
