#include <gtest/gtest.h>

#include "tests/engine/support/failing_ops.h"
#include "tests/engine/support/logged_engine.h"

/// Steps that run ahead on a card, against the same card waited for.
namespace engine {
namespace {

using testing::EngineDriver;
using testing::LoggedEngine;
using testing::TinyChatModel;

class WaitingCard final : public testing::FailingOps {
  public:
    using FailingOps::FailingOps;
    bool runsAhead() const override { return false; }
};

TEST(RunAheadOnTheCard, ChangesNoEventOfAnyMixOfRequests) {
    const TinyChatModel model;
    testing::Fault none;
    int64_t stepsAhead = 0;
    for (const size_t hostBytes : {size_t{0}, size_t{1} << 20})
        for (uint32_t seed = 0; seed < 10; ++seed) {
            EngineOptions options = EngineDriver::options(model);
            options.device = DeviceChoice::Cuda;
            options.speculate = SpeculationMode::Off;
            if (hostBytes > 0) options.kvBytes = 25 * 4096;  // some give way, the rest is evicted
            options.hostCacheBytes = hostBytes;
            EngineOptions slow = options;
            slow.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
                return std::make_unique<WaitingCard>(std::move(ops), none);
            };
            LoggedEngine waiting(slow), ahead(options);
            waiting.tellsBlocks = ahead.tellsBlocks = hostBytes == 0;
            const auto ids = runWaves(waiting, seed, 6, 8);
            ASSERT_EQ(runWaves(ahead, seed, 6, 8), ids);
            for (const RequestId id : ids)
                EXPECT_EQ(ahead.records[id].log, waiting.records[id].log) << "seed " << seed;
            EXPECT_EQ(waiting.stepsAhead(), 0);
            stepsAhead += ahead.stepsAhead();
        }
    EXPECT_GT(stepsAhead, 1000);
}

}  // namespace
}  // namespace engine
