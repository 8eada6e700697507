/// bitnet tokenize: what a model's tokenizer makes of a text.

#include <fmt/format.h>

#include "base/fail.h"
#include "bitnet/tokenizer.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "loading/stored_model.h"

namespace bitnet::cli {

namespace {

/// The tokenizer alone, which needs no weights.
Tokenizer tokenizer_of(const std::filesystem::path& model) {
  if (std::filesystem::exists(model / "tokenizer.json")) return Tokenizer::from_file(model / "tokenizer.json");
  const auto json =
      loading::open_model(model, [](const std::string& line) { report("note", line); })->companion("tokenizer.json");
  if (!json) fail(ErrorKind::not_found, "{} has no tokenizer", model.string());
  return Tokenizer::from_json(*json, model.string());
}

}  // namespace

int tokenize_command(const Arguments& arguments) {
  CommandLine line({"tokenize", "[MODEL] TEXT", "Prints the token ids of TEXT, each with its piece of text.",
                    "  bitnet tokenize \"Once upon a time\"\n"
                    "  bitnet tokenize models/my-model \"Once upon a time\" --json\n"
                    "  bitnet tokenize --decode 8189,340,42"});
  ModelAndText input(line, "TEXT");
  bool json = false;
  bool no_special_tokens = false;
  std::string ids_to_decode;
  line.app().add_flag("--json", json, "Print JSON");
  line.app().add_flag("--no-special-tokens", no_special_tokens,
                      "Encoding: add none; decoding: leave them out of the text");
  CLI::Option* const decode =
      line.app().add_option("--decode", ids_to_decode, "Print the text of these ids instead")->type_name("ID,ID...");
  if (!line.parse(arguments)) return 0;
  const bool decoding = decode->count() != 0;
  input.resolve(decoding);
  line.require(!decoding || input.text.empty(), "TEXT and --decode exclude each other");

  const Tokenizer tokenizer = tokenizer_of(find_model(input.model));
  std::vector<std::int32_t> ids;
  std::string text = input.text;
  if (decoding) {
    ids = parse_ids(ids_to_decode, "--decode");
    for (const std::int32_t id : ids) {
      line.require(tokenizer.id_to_token(id).has_value(), fmt::format("the tokenizer has no token {}", id));
    }
    text = tokenizer.decode(ids, no_special_tokens);
  } else {
    ids = tokenizer.encode(text, !no_special_tokens);
  }

  if (json) {
    Json pieces = Json::array();
    for (const std::int32_t id : ids) pieces.push_back(tokenizer.id_to_token(id).value_or(""));
    write_json({{"ids", ids}, {"pieces", pieces}, {"text", text}});
  } else if (decoding) {
    write_out(text + "\n");
  } else {
    std::string table;
    for (const std::int32_t id : ids) {
      const std::vector<std::int32_t> one = {id};
      // As JSON, so that newlines, quotes and halves of characters stay visible and on one line.
      const std::string piece = Json(tokenizer.decode(one, false)).dump(-1, ' ', false, Json::error_handler_t::replace);
      table += fmt::format("{:>8}  {}\n", id, piece);
    }
    write_out(table);
  }
  return 0;
}

}  // namespace bitnet::cli
