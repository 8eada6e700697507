#pragma once
/// A parsed Jinja template, as Hugging Face renders chat templates: Python's jinja2 3.1, ImmutableSandboxedEnvironment
/// with trim_blocks, lstrip_blocks, loop controls and the `generation` tag. docs/formats/chat-templates.md says what
/// is covered, how a render is bounded, and where this differs from Python.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "text/jinja/machine.h"

namespace bitnet::jinja {

struct Tree;

struct Rendered {
  std::string text;
  /// What stood inside `{% generation %}`, as half-open ranges of code points of `text`.
  std::vector<std::pair<std::size_t, std::size_t>> generation_spans;
};

/// Immutable; renders may run at the same time.
class Template {
 public:
  /// `source_name` begins every error: "chat_template of tokenizer_config.json". Throws Error(corrupt, unsupported,
  /// limit).
  Template(std::string_view source, std::string source_name);

  /// `variables` is a JSON object. Throws Error(invalid_argument) for what Python would raise, raise_exception
  /// included, and Error(limit) when a bound is reached.
  [[nodiscard]] Rendered render(const Json& variables, std::chrono::system_clock::time_point now,
                                const Limits& limits = {}) const;

 private:
  std::string source_name_;
  std::shared_ptr<const Tree> tree_;
};

}  // namespace bitnet::jinja
