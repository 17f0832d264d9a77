#include <gtest/gtest.h>

#include "engine/schedule/scheduler.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/small_pool.h"

namespace engine {
namespace {

using std::chrono::nanoseconds;

/// A scheduler over 8 blocks of 16 tokens, and sequences that go on being written.
struct Desk {
    Desk() : scheduler(pools.pools, nullptr, {}, makeResponseRatioPolicy()) {}

    void add(uint64_t id, int tokens, int priority) {
        auto sequence = std::make_unique<Sequence>();
        sequence->id = id;
        sequence->tokens.assign(static_cast<size_t>(tokens), 1);
        sequence->promptTokens = tokens;
        sequence->maxTokens = 128;
        sequence->priority = priority;
        sequence->submitted = nanoseconds(id);
        scheduler.add(std::move(sequence));
    }
    /// A step, after which every sequence that drew has one token more. Those that reach 120 tokens end.
    void step() {
        now += std::chrono::milliseconds(1);
        const Scheduler::Plan plan = scheduler.schedule(now);
        scheduler.completed(plan, std::chrono::milliseconds(1));
        std::vector<Scheduler::Part> parts = plan.parts;
        if (plan.chunkLayers > 0) {
            const auto chunk = scheduler.advanced(plan.chunkLayers, std::chrono::milliseconds(1));
            parts.insert(parts.end(), chunk->parts.begin(), chunk->parts.end());
        }
        std::vector<uint64_t> ended;
        for (const Scheduler::Part& part : parts) {
            if (part.logits == 0) continue;
            part.sequence->tokens.push_back(1);
            if (part.sequence->tokens.size() >= 120) ended.push_back(part.sequence->id);
        }
        for (const uint64_t id : ended) scheduler.remove(id, false);
    }
    int preemptionsOf(uint64_t id) {
        const Sequence* sequence = scheduler.find(id);
        return sequence != nullptr ? sequence->preemptions : -1;
    }

    testing::SmallPools pools{{0}, 8};
    Scheduler scheduler;
    nanoseconds now{};
};

TEST(SchedulerPriority, TheLeastUrgentGivesUpItsBlocks) {
    Desk desk;
    desk.add(1, 40, 0);
    desk.step();
    desk.add(2, 40, 4);
    while (desk.scheduler.preemptions() == 0) desk.step();
    EXPECT_EQ(desk.preemptionsOf(1), 1) << "the older one, because nobody looks at it";
    EXPECT_EQ(desk.preemptionsOf(2), 0);
}

TEST(SchedulerPriority, AmongEqualsTheYoungestGivesUpItsBlocks) {
    Desk desk;
    desk.add(1, 40, 0);
    desk.step();
    desk.add(2, 40, 0);
    while (desk.scheduler.preemptions() == 0) desk.step();
    EXPECT_EQ(desk.preemptionsOf(1), 0);
    EXPECT_EQ(desk.preemptionsOf(2), 1);
}

TEST(SchedulerPriority, NobodyGivesWayForEver) {
    Desk desk;
    desk.add(1, 40, 0);
    uint64_t next = 2;
    for (int step = 0; step < 5000; ++step) {
        // Somebody urgent is always there, and takes the room.
        if (desk.scheduler.running() + desk.scheduler.waiting() < 3) desk.add(next++, 60, 4);
        desk.step();
        if (desk.scheduler.find(1) == nullptr) {
            EXPECT_GT(desk.scheduler.preemptions(), 0) << "the test meets what it is for";
            return;
        }
    }
    FAIL() << "it was preempted " << desk.preemptionsOf(1) << " times and never ended";
}

TEST(SchedulerPriority, ARequestsPriorityCanChangeWhileItWaits) {
    using testing::EngineDriver;
    const testing::TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    options.kvBytes = 12 * 16 * 2 * 64 * 2 * sizeof(uint16_t) / 2;  // 12 blocks: one prompt at a time
    options.prefixCache = false;
    // Time goes fast enough that what is known of costs matters little.
    EngineDriver driver(options);
    std::string text;
    for (int i = 0; i < 12; ++i) text += "a long question and a short answer ";
    const RequestId running = driver.engine->submit(EngineDriver::ask(text, 8));
    driver.step();
    const RequestId first = driver.engine->submit(EngineDriver::ask(text + "one", 8)),
                    second = driver.engine->submit(EngineDriver::ask(text + "two", 8));
    driver.engine->setPriority(second, 8);
    driver.engine->setPriority(12345, 8);  // unknown: ignored
    driver.run(running);
    while (!driver.outcomes[first].isFinished && !driver.outcomes[second].isFinished) driver.step();
    EXPECT_TRUE(driver.outcomes[second].isFinished);
    EXPECT_FALSE(driver.outcomes[first].isFinished) << "it came first, but is less urgent";
    driver.run(first);
}

}  // namespace
}  // namespace engine
