#include "cli/conversion_flags.h"

#include "base/fail.h"
#include "cli/console.h"

namespace bitnet::cli {

ConversionFlags::ConversionFlags(CLI::App& app, const std::string& label) : progress_(label) {
  app.add_option("input", input)->required();
  app.add_option("output", output)->required();
  app.add_option("--weights", options_.weights,
                 "packed, bf16 (in a folder), i2_s, tq1_0, tq2_0, q2_0 (in a file); default: packed or i2_s");
  app.add_option("--embedding", options_.embedding,
                 "f32, f16, bf16; in a file also q8_0, q6_k, q4_0; default: as it is. A tied head is the same tensor");
  app.add_option("--head", options_.head, "The same for a head that is not tied");
  app.add_option("--threads", options_.threads, "Threads that compute")
      ->check(CLI::Validator(CLI::Range(1, 1024)).description(""));
}

ConvertOptions ConversionFlags::options() {
  ConvertOptions options = options_;
  options.on_progress = [this](double fraction) {
    progress_.update(fraction);
    if (Interrupt::requested()) fail(ErrorKind::cancelled, "stopped; {} was not written", output);
  };
  options.log = [this](const std::string& message) {
    progress_.finish();
    report("note", message);
  };
  return options;
}

}  // namespace bitnet::cli
