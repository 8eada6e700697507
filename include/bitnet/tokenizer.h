#pragma once
/// Text to token ids and back, from a Hugging Face `tokenizer.json` with a BPE model.
/// docs/formats/tokenizer-json.md lists what is read and what is supported.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitnet {

/// An immutable tokenizer. Copies share one state; all const functions may be called from many threads at once.
class Tokenizer {
 public:
  struct Encoding {
    std::vector<std::int32_t> ids;
    /// One per id: code points [start, end) of the original text; (0, 0) for a token that the template added.
    std::vector<std::pair<int, int>> offsets;
  };
  struct Impl;

  /// Throws Error(not_found / io) for the file, Error(corrupt) for a broken field, Error(unsupported) for a component
  /// that this version does not do, Error(limit) for a file over 256 MiB; the message names the file and the field.
  [[nodiscard]] static Tokenizer from_file(const std::filesystem::path& tokenizer_json);
  /// As from_file; `source_name` stands for the file in messages.
  [[nodiscard]] static Tokenizer from_json(std::string_view json, std::string_view source_name);

  /// Added tokens written in the text become their ids. `add_special_tokens` adds what the post-processor's template
  /// says (usually a begin-of-text token). Throws Error(invalid_argument) naming the byte at which the text stops being
  /// UTF-8, Error(limit) when the text is over 64 MiB or a regular expression of the file exceeds its step limit.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view utf8, bool add_special_tokens = true) const;
  [[nodiscard]] Encoding encode_with_offsets(std::string_view utf8, bool add_special_tokens = true) const;

  /// Ids without a token are skipped. Bytes that do not form UTF-8 become U+FFFD.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = true) const;

  [[nodiscard]] std::optional<std::int32_t> token_to_id(std::string_view token) const;
  /// The token as the file writes it (byte-level tokens in their printable form).
  [[nodiscard]] std::optional<std::string> id_to_token(std::int32_t id) const;
  [[nodiscard]] bool is_special(std::int32_t id) const;
  /// Highest id + 1, added tokens included.
  [[nodiscard]] std::int32_t vocab_size() const;

 private:
  friend class StreamingDecoder;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Decodes token by token. What push() and flush() return, put together, equals decode() of all ids, and every piece
/// is whole UTF-8. For one thread at a time; shares the tokenizer's state, so it may outlive the Tokenizer.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(const Tokenizer& tokenizer, bool skip_special_tokens = true);
  StreamingDecoder(StreamingDecoder&&) noexcept;
  StreamingDecoder& operator=(StreamingDecoder&&) noexcept;
  ~StreamingDecoder();

  /// The text that `id` made final: no later token can change it. May be empty.
  [[nodiscard]] std::string push(std::int32_t id);
  /// The rest. The decoder is then as new.
  [[nodiscard]] std::string flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitnet
