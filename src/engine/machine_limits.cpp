#include "engine/machine_limits.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/cpu_features.h"
#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "kernels/peak.h"

namespace bitnet {
namespace {

constexpr std::int64_t kLine = 64;
// Four streams keep more requests in flight than one does; 2 KiB ahead covers the latency of memory.
constexpr int kStreams = 4;
constexpr std::int64_t kAhead = 2048;

/// A cache line that the compiler loads with the widest instructions it has.
using Line = std::uint64_t __attribute__((vector_size(64)));

using Streams = std::array<const std::byte*, kStreams>;

/// Reads `lines` cache lines from each stream. The sum keeps the compiler from dropping the loads.
[[gnu::always_inline]] inline std::uint64_t read_lines(const Streams& streams, std::int64_t lines) {
  Line sum{};
  for (std::int64_t i = 0; i < lines; ++i) {
    for (const std::byte* stream : streams) {
      const std::byte* line = stream + i * kLine;
      __builtin_prefetch(line + kAhead);
      sum += *reinterpret_cast<const Line*>(line);
    }
  }
  std::uint64_t total = 0;
  for (int i = 0; i < 8; ++i) total += sum[i];
  return total;
}

std::uint64_t read_portable(const Streams& streams, std::int64_t lines) { return read_lines(streams, lines); }

#if defined(__x86_64__)
/// One load a line: a fifth faster than four of 16 bytes where the processor has it.
[[gnu::target("avx512f")]] std::uint64_t read_avx512(const Streams& streams, std::int64_t lines) {
  return read_lines(streams, lines);
}
#endif

auto choose_reader() {
#if defined(__x86_64__)
  if ((detect_cpu_features() & kAvx512) != 0) return read_avx512;
#endif
  return read_portable;
}

double seconds_of(ThreadPool& pool, PartTask task) {
  const Stopwatch watch;
  pool.run(task);
  return watch.seconds();
}

double measure_peak(const kernels::PeakLoop& loop, ThreadPool& pool, int repetitions) {
  constexpr double kLongEnough = 0.02;  // waking the threads up takes less than a hundredth of that
  std::int64_t iterations = 1 << 10;
  double best = 0;
  for (int done = 0; done < repetitions;) {
    const double seconds = seconds_of(pool, [&](int, int) { loop.run(iterations); });
    if (seconds < kLongEnough) {
      iterations *= 2;
      continue;
    }
    const std::int64_t macs = pool.size() * iterations * loop.macs_per_iteration;
    best = std::max(best, static_cast<double>(macs) / seconds);
    ++done;
  }
  return best;
}

}  // namespace

double measure_read_bandwidth(int threads, std::size_t bytes, Pages pages, int repetitions) {
  ThreadPool pool(threads);
  const auto lines = static_cast<std::int64_t>(bytes) / kLine / kStreams * kStreams;
  const AlignedBuffer buffer(static_cast<std::size_t>(lines * kLine + kAhead), pages);
  const auto range_of = [&](int part, int parts) { return part_range(lines, part, parts, kStreams); };
  pool.run([&](int part, int parts) {  // untouched pages would all be the one zero page
    const PartRange range = range_of(part, parts);
    std::memset(buffer.data() + range.begin * kLine, part + 1,
                static_cast<std::size_t>(range.end - range.begin) * kLine);
  });

  const auto read = choose_reader();
  double best = 0;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const double seconds = seconds_of(pool, [&](int part, int parts) {
      const PartRange range = range_of(part, parts);
      const std::int64_t each = (range.end - range.begin) / kStreams;
      Streams streams{};
      for (int s = 0; s < kStreams; ++s) streams[s] = buffer.data() + (range.begin + s * each) * kLine;
      volatile std::uint64_t sink = read(streams, each);
      (void)sink;
    });
    best = std::max(best, static_cast<double>(lines * kLine) / seconds);
  }
  return best;
}

std::vector<IntegerPeak> measure_integer_peaks(int threads, int repetitions) {
  ThreadPool pool(threads);
  const CpuFeatures features = detect_cpu_features();
  std::vector<IntegerPeak> peaks;
  for (const kernels::PeakLoop* loop : kernels::peak_loops()) {
    if ((loop->required & ~features) != 0) continue;
    peaks.push_back({loop->name, measure_peak(*loop, pool, repetitions)});
  }
  return peaks;
}

std::string_view peak_of_kernels(std::string_view kernels) {
  if (kernels == "avx2") return "avx2, 16-bit sums";
  if (kernels == "amx_int8") return "amx_int8, with tile loads";
  if (kernels == "avx512_vbmi") return "avx512_vnni";
  return kernels;
}

}  // namespace bitnet
