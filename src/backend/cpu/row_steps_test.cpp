#include "backend/cpu/row_steps.h"

#include <rapidcheck/gtest.h>

#include <vector>

namespace bitnet::backend {
namespace {

RC_GTEST_PROP(RowSteps, GivesEachRowOfEachMatrixOnce, ()) {
  const auto rows = *rc::gen::container<std::vector<std::int64_t>>(3, rc::gen::inRange<std::int64_t>(0, 300));
  const auto runs = *rc::gen::element<std::int64_t>(1, 4);
  const auto grain = runs * *rc::gen::inRange<std::int64_t>(1, 20);
  const auto parts = *rc::gen::inRange(1, 6);
  const RowSteps steps(rows, runs, grain);
  std::vector<std::vector<int>> times;
  for (const std::int64_t n : rows) times.emplace_back(static_cast<std::size_t>(n));
  SharedRange left = steps.share(parts);
  // One part does everything: its own steps, and those of the others from the end.
  left.for_pieces(0, [&](int owner, PartRange piece) {
    steps.for_rows(steps.own(owner, parts), piece, [&](std::size_t matrix, const kernels::RowRuns& now) {
      RC_ASSERT(now.count > 0);
      RC_ASSERT(now.runs == runs || (now.runs == 1 && now.count < runs));
      for (std::int64_t i = 0; i < now.total(); ++i) ++times[matrix].at(static_cast<std::size_t>(now.row(i)));
    });
  });
  for (const auto& matrix : times) {
    for (const int n : matrix) RC_ASSERT(n == 1);
  }
}

TEST(RowSteps, RunsGoOnFromPieceToPiece) {
  const RowSteps steps({512, 256}, 4, 32);
  std::vector<std::int64_t> begins;
  const PartRange own = steps.own(1, 2);  // rows 384 to 512 of the first matrix and all of the second
  for (const PartRange piece : {PartRange{own.begin, own.begin + 24}, PartRange{own.begin + 24, own.end}}) {
    steps.for_rows(own, piece, [&](std::size_t matrix, const kernels::RowRuns& now) {
      begins.insert(begins.end(), {static_cast<std::int64_t>(matrix), now.begin, now.count, now.apart});
    });
  }
  EXPECT_EQ(begins, (std::vector<std::int64_t>{0, 384, 24, 32, 0, 408, 8, 32, 1, 0, 64, 64}));
}

}  // namespace
}  // namespace bitnet::backend
