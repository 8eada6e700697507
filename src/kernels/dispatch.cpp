#include "kernels/dispatch.h"

#include <string>

#include "base/fail.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

std::span<const KernelTable* const> built_tables() {
  static constexpr const KernelTable* kTables[] = {
#if defined(__x86_64__)
    &kAmxTable,
    &kAvx512VbmiTable,
    &kAvx512VnniTable,
    &kAvx2Table,
#elif defined(__aarch64__)
    &kNeonTable,
#endif
    &kScalarTable,
  };
  return kTables;
}

const KernelTable& choose_table(std::string_view name, CpuFeatures available) {
  const auto runs = [&](const KernelTable& table) { return (table.required & ~available) == 0; };
  std::string choices;
  for (const KernelTable* table : built_tables()) {
    if (!runs(*table)) continue;
    if (name.empty() || name == table->name) return *table;
    if (!choices.empty()) choices += ", ";
    choices += table->name;
  }
  for (const KernelTable* table : built_tables()) {
    if (name != table->name) continue;
    fail(ErrorKind::invalid_argument,
         "kernels \"{}\" need processor features {} but this processor has {}; choose one of: {}", name,
         describe(table->required), describe(available), choices);
  }
  fail(ErrorKind::invalid_argument, "unknown kernels \"{}\"; this processor runs: {}", name, choices);
}

}  // namespace bitnet::kernels
