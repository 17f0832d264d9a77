#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace kernels::detail {
namespace {

TEST(ThreadPool, RunsEveryPartOnceAndReturnsWhenAllAreDone) {
    for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        EXPECT_EQ(pool.threads(), threads);
        for (int round = 0; round < 300; ++round) {
            const int parts = round % 37;
            std::vector<int> calls(static_cast<size_t>(parts));  // plain: the return must order the writes
            pool.run(parts, [&](int part) { ++calls[static_cast<size_t>(part)]; });
            for (const int count : calls) ASSERT_EQ(count, 1);
        }
    }
}

TEST(ThreadPool, AnOperationSeesWhatTheOneBeforeWrote) {
    ThreadPool pool(4);
    std::vector<int64_t> values(64, 1), next(64);
    for (int round = 0; round < 200; ++round) {
        pool.run(64, [&](int part) {
            const auto i = static_cast<size_t>(part);
            next[i] = (values[i] + values[(i + 1) % 64]) % 1000003;
        });
        values.swap(next);
    }
    std::vector<int64_t> expected(64, 1), scratch(64);
    for (int round = 0; round < 200; ++round) {
        for (size_t i = 0; i < 64; ++i) scratch[i] = (expected[i] + expected[(i + 1) % 64]) % 1000003;
        expected.swap(scratch);
    }
    EXPECT_EQ(values, expected);
}

TEST(ThreadPool, WorkersThatFellAsleepWakeForTheNextOperation) {
    ThreadPool pool(3);
    for (int round = 0; round < 5; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far beyond the time they spin
        std::atomic<int> sum = 0;
        pool.run(100, [&](int part) { sum += part; });
        EXPECT_EQ(sum, 4950);
    }
}

TEST(ThreadPool, PoolsStartAndStopWithoutWork) {
    for (int i = 0; i < 50; ++i) {
        const ThreadPool pool(4);
        EXPECT_EQ(pool.threads(), 4);
    }
}

}  // namespace
}  // namespace kernels::detail
