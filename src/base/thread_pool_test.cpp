#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "bitnet/error.h"

namespace bitnet {
namespace {

class ThreadPoolOf : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolOf, CallsEveryPartOnceForManyShortTasks) {
  ThreadPool pool(GetParam());
  ASSERT_EQ(pool.size(), GetParam());
  std::vector<int> calls(static_cast<std::size_t>(pool.size()));
  constexpr int kTasks = 3000;
  for (int task = 0; task < kTasks; ++task) {
    pool.run([&](int part, int parts) {
      if (parts == static_cast<int>(calls.size())) ++calls[static_cast<std::size_t>(part)];
    });
    // run() has returned: what the workers wrote is visible and complete.
    for (const int count : calls) ASSERT_EQ(count, task + 1);
  }
}

TEST_P(ThreadPoolOf, RethrowsTheExceptionOfEachPartAndGoesOn) {
  ThreadPool pool(GetParam());
  for (int thrower = 0; thrower < pool.size(); ++thrower) {
    const auto task = [&](int part, int) {
      if (part == thrower) throw std::runtime_error("part " + std::to_string(part));
    };
    try {
      pool.run(task);
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "part " + std::to_string(thrower));
    }
    std::atomic<int> calls = 0;
    pool.run([&](int, int) { ++calls; });
    EXPECT_EQ(calls, pool.size());
  }
}

TEST_P(ThreadPoolOf, AllPartsMayThrow) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.run([](int, int) { throw std::runtime_error("all"); }), std::runtime_error);
}

TEST_P(ThreadPoolOf, StartsAndStopsWithoutATask) {
  for (int i = 0; i < 20; ++i) ThreadPool pool(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolOf, testing::Range(1, 9));

TEST(ThreadPool, RefusesImpossibleSizes) {
  for (const int threads : {-1, 0, 1025}) {
    try {
      ThreadPool pool(threads);
      FAIL() << threads;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    }
  }
}

TEST(ThreadPool, ReportsThreadsThatCannotBeStarted) {
  pthread_attr_t usual;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  pthread_attr_t impossible;
  ASSERT_EQ(pthread_getattr_default_np(&impossible), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&impossible, std::size_t{1} << 60), 0);  // more than any address space
  ASSERT_EQ(pthread_setattr_default_np(&impossible), 0);
  try {
    ThreadPool pool(2);
    ADD_FAILURE() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::limit);
    EXPECT_NE(std::string(error.what()).find("only 1 of 2 threads"), std::string::npos) << error.what();
  }
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  pthread_attr_destroy(&impossible);
  pthread_attr_destroy(&usual);
}

TEST(ThreadPool, SharesEachPieceOnce) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const std::int64_t count : {0, 1, 16, 17, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      pool.share(count, 16, [&](int part, PartRange piece) {
        ASSERT_LT(part, threads);
        ASSERT_LT(piece.begin, piece.end);
        ASSERT_EQ(piece.begin % 16, 0);
        ASSERT_TRUE(piece.end % 16 == 0 || piece.end == count);
        for (std::int64_t i = piece.begin; i < piece.end; ++i) ++seen[static_cast<std::size_t>(i)];
      });
      for (const auto& times : seen) ASSERT_EQ(times, 1);
    }
  }
}

TEST(ThreadPool, ResizesBetweenTasks) {
  ThreadPool pool(1);
  for (const int threads : {3, 1, 2, 2, 5}) {
    pool.resize(threads);
    ASSERT_EQ(pool.size(), threads);
    std::atomic<int> calls = 0;
    pool.run([&](int, int parts) { calls += parts; });
    EXPECT_EQ(calls, threads * threads);
  }
  EXPECT_THROW(pool.resize(0), Error);
  EXPECT_EQ(pool.size(), 5);
}

TEST(ThreadPool, WhatIsReadSoonIsAHint) {
  ThreadPool pool(3);
  const std::vector<std::byte> memory(1 << 16);
  std::atomic<int> calls = 0;
  for (int i = 0; i < 100; ++i) {
    pool.run([&](int part, int) {
      ++calls;
      pool.read_soon(part, {memory.data() + part * 4096, 16384, 4, 4096});
    });
  }
  pool.resize(2);
  pool.run([&](int, int) { ++calls; });
  EXPECT_EQ(calls, 302);
}

RC_GTEST_PROP(SharedRange, GivesEachElementOnce, ()) {
  const auto count = *rc::gen::inRange<std::int64_t>(0, 5000);
  const auto parts = *rc::gen::inRange(1, 9);
  const auto grain = *rc::gen::inRange<std::int64_t>(1, 40);
  SharedRange range(count, parts, grain);
  const auto last = *rc::gen::inRange(0, parts);  // does all that the others, who take one piece each, leave
  std::vector<int> times(static_cast<std::size_t>(count));
  const auto mark = [&](int owner, PartRange piece) {
    const PartRange own = part_range(count, owner, parts, grain);
    RC_ASSERT(own.begin <= piece.begin && piece.begin < piece.end && piece.end <= own.end);
    RC_ASSERT(piece.begin % grain == 0 && (piece.end % grain == 0 || piece.end == count));
    for (std::int64_t i = piece.begin; i < piece.end; ++i) ++times[static_cast<std::size_t>(i)];
  };
  struct Enough {};
  for (int part = 0; part < parts; ++part) {
    if (part == last) continue;
    std::int64_t next = part_range(count, part, parts, grain).begin;
    try {
      range.for_pieces(part, [&](int owner, PartRange piece) {
        if (owner == part) {
          RC_ASSERT(piece.begin == next);  // one after another from the front
          next = piece.end;
        }
        mark(owner, piece);
        throw Enough();
      });
    } catch (const Enough&) {
    }
  }
  std::vector<std::int64_t> ends(static_cast<std::size_t>(parts));
  for (int part = 0; part < parts; ++part)
    ends[static_cast<std::size_t>(part)] = part_range(count, part, parts, grain).end;
  range.for_pieces(last, [&](int owner, PartRange piece) {
    if (owner != last) {
      RC_ASSERT(piece.end <= ends[static_cast<std::size_t>(owner)]);  // from the end
      ends[static_cast<std::size_t>(owner)] = piece.begin;
    }
    mark(owner, piece);
  });
  for (const int n : times) RC_ASSERT(n == 1);
}

TEST(SharedRange, CountsBeyondFourBillionInGrains) {
  constexpr std::int64_t kCount = (std::int64_t{1} << 40) + 1;
  SharedRange range(kCount, 2, std::int64_t{1} << 21);
  std::int64_t total = 0;
  range.for_pieces(1, [&](int, PartRange piece) { total += piece.end - piece.begin; });
  EXPECT_EQ(total, kCount);
}

RC_GTEST_PROP(PartRange, CoversExactlyInWholeGrains, ()) {
  const auto count = *rc::gen::inRange<std::int64_t>(0, 100'000);
  const auto parts = *rc::gen::inRange(1, 65);
  const auto grain = *rc::gen::inRange<std::int64_t>(1, 300);
  const std::int64_t grains = (count + grain - 1) / grain;
  std::int64_t covered = 0;
  for (int part = 0; part < parts; ++part) {
    const PartRange range = part_range(count, part, parts, grain);
    RC_ASSERT(range.begin == covered);
    RC_ASSERT(range.end >= range.begin);
    RC_ASSERT(range.end % grain == 0 || range.end == count);
    RC_ASSERT((range.end - range.begin + grain - 1) / grain <= grains / parts + 1);
    covered = range.end;
  }
  RC_ASSERT(covered == count);
}

}  // namespace
}  // namespace bitnet
