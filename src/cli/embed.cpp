/// bitnet embed: texts as vectors.

#include "bitnet/embed.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/prompts.h"

namespace bitnet::cli {
namespace {

/// [texts, texts]; vectors have length 1.
std::vector<std::vector<double>> cosines(const Embeddings& embeddings, std::size_t texts) {
  std::vector<std::vector<double>> matrix(texts, std::vector<double>(texts));
  for (std::size_t i = 0; i < texts; ++i) {
    for (std::size_t j = 0; j < texts; ++j) {
      const auto a = embeddings.row(i);
      const auto b = embeddings.row(j);
      for (std::size_t d = 0; d < a.size(); ++d) matrix[i][j] += static_cast<double>(a[d]) * b[d];
    }
  }
  return matrix;
}

void print_cosines(const std::vector<std::vector<double>>& matrix, bool json) {
  if (json) {
    write_json({{"similarity", matrix}});
    return;
  }
  std::string table;
  for (const std::vector<double>& row : matrix) {
    for (const double cosine : row) table += fmt::format("{:8.4f}", cosine);
    table += '\n';
  }
  write_out(table);
}

/// Floats have as many digits as tell them from their neighbours.
void print_vectors(const Embeddings& embeddings, std::size_t texts, bool json) {
  std::size_t cut = 0;  // of embeddings.truncated
  for (std::size_t text = 0; text < texts; ++text) {
    const auto row = embeddings.row(text);
    if (!json) {
      write_out(fmt::format("{}\n", fmt::join(row, " ")));
      continue;
    }
    const bool truncated = cut < embeddings.truncated.size() && embeddings.truncated[cut] == text;
    if (truncated) ++cut;
    write_out(fmt::format("{{\"index\":{},\"tokens\":{},\"truncated\":{},\"embedding\":[{}]}}\n", text,
                          embeddings.tokens[text], truncated, fmt::join(row, ",")));
  }
}

}  // namespace

int embed_command(const Arguments& arguments) {
  CommandLine line(
      {"embed", "MODEL [TEXT...]",
       "Prints a vector of length 1 for each text, made by an embedding model: one line of numbers a text.",
       "  bitnet embed path/to/bitnet-embedding-0.6b \"a lake\" \"a pond\" --similarity\n"
       "  bitnet embed path/to/bitnet-embedding-0.6b --file lines.txt --json > vectors.jsonl\n"
       "  bitnet embed path/to/bitnet-embedding-0.6b --prefix \"query: \" \"where do herons live?\""});
  std::vector<std::string> words;
  std::string file;
  EmbedOptions options;
  bool similarity = false;
  bool json = false;
  line.app().add_option("words", words)->take_all();
  line.app().add_option("--file", file, "Embed the lines of a file, - is standard input")->type_name("FILE");
  line.app().add_option("--prefix", options.prefix, "Put before each text: the instruction that the model wants");
  line.app().add_flag("--truncate", options.truncate, "Cut a text that is longer than the model's context");
  line.app().add_flag("--similarity", similarity, "Print the cosines between all texts instead");
  line.app().add_flag("--json", json, "Print JSON, one object a line");
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;
  line.require(!words.empty(), "MODEL is missing");
  std::vector<std::string> texts(words.begin() + 1, words.end());
  line.require(texts.empty() || file.empty(), "TEXT and --file exclude each other");
  line.require(!texts.empty() || !file.empty(), "TEXT is missing: after MODEL, or the lines of --file FILE");
  if (!file.empty()) texts = read_prompts(file);

  const Engine engine = engine_flags.load(words.front(), false);
  Progress progress("Embedding");
  options.on_progress = [&](double fraction) { progress.update(fraction); };
  const Embeddings embeddings = embed(engine, texts, options);
  progress.finish();
  if (!embeddings.truncated.empty()) {
    report("warning", fmt::format("{} of {} texts were cut to {} tokens, the model's context",
                                  embeddings.truncated.size(), texts.size(), engine.config().max_position_embeddings));
  }
  if (similarity) {
    print_cosines(cosines(embeddings, texts.size()), json);
  } else {
    print_vectors(embeddings, texts.size(), json);
  }
  return 0;
}

}  // namespace bitnet::cli
