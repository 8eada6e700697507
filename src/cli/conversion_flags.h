#pragma once
/// What convert and quantize share.

#include <string>

#include "bitnet/convert.h"
#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

namespace bitnet::cli {

/// INPUT, OUTPUT, --weights, --embedding, --head, --threads; progress and Ctrl-C.
class ConversionFlags {
 public:
  ConversionFlags(CLI::App& app, const std::string& label);

  /// After parsing. Refers to this object.
  [[nodiscard]] ConvertOptions options();
  /// Wipes the progress bar off.
  void finish() { progress_.finish(); }

  std::string input;
  std::string output;

 private:
  ConvertOptions options_;
  Interrupt interrupt_{Interrupt::Second::ends_program};
  Progress progress_;
};

}  // namespace bitnet::cli
