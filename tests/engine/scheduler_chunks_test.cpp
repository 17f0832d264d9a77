#include <gtest/gtest.h>

#include <cmath>

#include "engine/schedule/scheduler.h"
#include "tests/engine/support/small_pool.h"

/// Prompts in chunks that pause between layers, on a simulated device.
namespace engine {
namespace {

using std::chrono::nanoseconds;

nanoseconds ofMicros(double micros) {
    return nanoseconds(std::llround(micros * 1000.0));
}

/// A card and a model of 32 layers: a decode step of few rows takes 3 ms; a layer of a chunk unpacks its
/// weights in 0.3 ms, reads each token before it in 15 ns, and each row has its price.
struct Device {
    int layers = 32;
    double decodeMicros = 3000.0;
    LayerCosts layer{300.0, 1.2, 0.015, 0.0003};
};

/// Sequences that are written for ever beside prompts that are read.
struct Desk {
    explicit Desk(const Device& simulated, int blocks = 8192, double share = 0.6)
        : device(simulated), pools({0}, blocks), scheduler(pools.pools, nullptr, limits(share), policy()) {}

    SchedulerLimits limits(double share) const {
        SchedulerLimits limits;
        limits.maxRows = 2048;
        limits.layers = device.layers;
        limits.prefillMicros = 250'000;
        limits.prefillShare = share;
        return limits;
    }
    static std::unique_ptr<SchedulingPolicy> policy() { return makeResponseRatioPolicy(); }

    void add(uint64_t id, int tokens, int border = 0) {
        auto sequence = std::make_unique<Sequence>();
        sequence->id = id;
        sequence->tokens.assign(static_cast<size_t>(tokens), 1);
        sequence->promptTokens = tokens;
        sequence->promptBorder = border;
        sequence->maxTokens = 1 << 20;
        sequence->submitted = now;
        scheduler.add(std::move(sequence));
    }

    /// What a step came to.
    struct Step {
        double decodeMicros = 0.0, chunkMicros = 0.0;
        int chunkRows = 0, layers = 0;
        bool isChunkDone = false;
        std::vector<uint64_t> drew;  ///< ids of sequences that have a new token
    };
    Step step() {
        Step result;
        const Scheduler::Plan plan = scheduler.schedule(now);
        const auto take = [&](const std::vector<Scheduler::Part>& parts) {
            for (const Scheduler::Part& part : parts) {
                if (part.logits == 0) continue;
                part.sequence->tokens.push_back(1);
                result.drew.push_back(part.sequence->id);
            }
        };
        if (!plan.parts.empty()) {
            result.decodeMicros = device.decodeMicros;
            now += ofMicros(result.decodeMicros);
            scheduler.completed(plan, ofMicros(result.decodeMicros));
            take(plan.parts);
        }
        if (const Scheduler::Chunk* chunk = scheduler.chunk()) {
            result.chunkRows = chunk->batch.rows.prefill;
            result.layers = plan.chunkLayers;
            result.chunkMicros = plan.chunkLayers * device.layer.micros(chunk->shape);
            now += ofMicros(result.chunkMicros);
            if (const auto done = scheduler.advanced(plan.chunkLayers, ofMicros(result.chunkMicros))) {
                result.isChunkDone = true;
                take(done->parts);
            }
        }
        return result;
    }
    /// Three running chats.
    void warmUp() {
        for (uint64_t id = 1; id <= 3; ++id) add(id, 40);
        for (int i = 0; i < 20; ++i) step();
    }
    bool isReading(uint64_t id) { return !scheduler.find(id)->isDecoding(); }

    Device device;
    testing::SmallPools pools;
    Scheduler scheduler;
    nanoseconds now{1};
};

class SchedulerChunks : public ::testing::TestWithParam<bool> {};

TEST_P(SchedulerChunks, KeepWithinTheirShareHoweverDeepTheyAre) {
    Desk desk{Device{}, 1 << 15};
    const bool isMeasured = GetParam();
    if (isMeasured) desk.scheduler.setLayerCosts(desk.device.layer);
    desk.warmUp();
    desk.add(9, 60'000);
    const nanoseconds began = desk.now;
    int steps = 0, over = 0, rowsNear = 0, rowsDeep = 0;
    nanoseconds chunkBegan = desk.now;
    while (desk.isReading(9)) {
        const Desk::Step step = desk.step();
        ASSERT_EQ(step.decodeMicros, desk.device.decodeMicros) << "the running chats have a token each step";
        ++steps;
        over += step.decodeMicros + step.chunkMicros > 2.0 * step.decodeMicros ? 1 : 0;
        if (steps == 200) rowsNear = step.chunkRows;
        if (desk.scheduler.find(9)->computed < 50'000) rowsDeep = step.chunkRows;
        if (step.isChunkDone) {
            const bool isInTime = desk.now - chunkBegan <= ofMicros(1.1 * 250'000);
            ASSERT_TRUE(isInTime || !isMeasured) << "a new question waits so long";
            chunkBegan = desk.now;
        }
        ASSERT_LT(steps, 200'000);
    }
    EXPECT_LE(over, isMeasured ? 0 : steps / 100)
        << "of " << steps << ": p99 between tokens is at most twice";
    EXPECT_LT(2 * rowsDeep, rowsNear) << "chunks shrink with depth";
    EXPECT_GE(rowsDeep, 16);
    // Not a crawl: the share that prompts were given is used.
    const double used = std::chrono::duration<double, std::micro>(desk.now - began).count() -
                        steps * desk.device.decodeMicros;
    EXPECT_GE(used, 0.6 * 0.6 * steps * desk.device.decodeMicros);
}

INSTANTIATE_TEST_SUITE_P(, SchedulerChunks, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Measured" : "Learning"; });

TEST(SchedulerPauses, AreAfterEachLayerWhereEvenTheSmallestChunkTakesLonger) {
    Desk desk{Device{4, 1000.0, {100.0, 10.0, 0.05, 0.0}}};
    desk.scheduler.setLayerCosts(desk.device.layer);
    desk.warmUp();
    desk.add(9, 60'000, 50'000);
    while (desk.scheduler.find(9)->computed < 50'000) desk.step();
    // 16 rows at depth 50,000 take 2.8 ms a layer, 0.6 ms would be theirs; a quarter more is 85 rows.
    for (int i = 0; i < 40; ++i) {
        const Desk::Step step = desk.step();
        EXPECT_EQ(step.layers, 1);
        EXPECT_GE(step.chunkRows, 16);
        EXPECT_LE(step.chunkMicros, 1.3 * desk.device.layer.micros({16.0, 50'000.0, 16 * 50'000.0}));
        EXPECT_EQ(step.drew.size(), 3U);
    }
}

TEST(SchedulerPauses, HappenOnlyWhileOthersDecode) {
    Desk desk{Device{}};
    desk.scheduler.setLayerCosts(desk.device.layer);
    desk.add(9, 50'000);
    while (desk.isReading(9)) {
        const Desk::Step step = desk.step();
        EXPECT_EQ(step.layers, desk.device.layers);
        EXPECT_TRUE(step.isChunkDone);
        EXPECT_LE(step.chunkMicros, 250'000);
    }
}

TEST(SchedulerPauses, AreFewerForAShortPromptThatTheDeviceReadsCheaply) {
    const auto stepsFor = [](const LayerCosts& costs) {
        Desk desk{Device{32, 3000.0, costs}};
        desk.scheduler.setLayerCosts(costs);
        desk.warmUp();
        desk.add(9, 30);
        int steps = 0;
        for (; desk.isReading(9); ++steps) EXPECT_LE(desk.step().chunkMicros, 0.6 * 3000.0);
        return steps;
    };
    LayerCosts costs{600.0, 0.3, 0.015, 0.0003};
    EXPECT_EQ(stepsFor(costs), 16) << "two layers of 609 us between two steps";
    costs.fewRows = 64;
    costs.few = 180.0;
    costs.fewRow = 1.0;
    EXPECT_EQ(stepsFor(costs), 4) << "eight layers of 210 us";
}

TEST(LayerCosts, OfFewRowsAreTheirOwnUpToTheBorder) {
    LayerCosts costs{600.0, 0.5, 0.0, 0.0};
    costs.fewRows = 64;
    costs.few = 100.0;
    costs.fewRow = 2.0;
    EXPECT_DOUBLE_EQ(costs.micros({10.0, 0.0, 0.0}), 120.0);
    EXPECT_DOUBLE_EQ(costs.micros({64.0, 0.0, 0.0}), 228.0);
    EXPECT_DOUBLE_EQ(costs.micros({100.0, 0.0, 0.0}), 650.0);
    EXPECT_EQ(costs.rowsWithin(150.0, {}, 0, 500), 25);
    EXPECT_EQ(costs.rowsWithin(600.0, {}, 0, 500), 64);
    EXPECT_EQ(costs.rowsWithin(700.0, {}, 0, 500), 200);
}

TEST(SchedulerPauses, AShortQuestionDoesNotWaitForALongOnesRows) {
    Desk desk{Device{}};
    desk.scheduler.setLayerCosts(desk.device.layer);
    desk.warmUp();
    desk.add(9, 100'000);
    for (int i = 0; i < 50; ++i) desk.step();
    const nanoseconds asked = desk.now;
    desk.add(10, 12);
    desk.add(11, 20);
    bool together = false;
    while (desk.isReading(10) || desk.isReading(11)) {
        const Desk::Step step = desk.step();
        together = together || step.chunkRows == 32;
    }
    EXPECT_TRUE(together) << "short ones share a chunk";
    // The rest of the chunk that was on its way, then 32 layers of 0.34 ms between steps of 3 ms.
    EXPECT_LE(desk.now - asked, ofMicros(250'000 + 6 * 4800 + 2 * 4800));
}

TEST(SchedulerPauses, ALeavingSequenceTakesItsChunkWithItAndTheOthersBeginAnew) {
    Desk desk{Device{}};
    desk.scheduler.setLayerCosts(desk.device.layer);
    desk.warmUp();
    desk.add(10, 30);
    desk.add(11, 30);
    desk.step();
    ASSERT_NE(desk.scheduler.chunk(), nullptr);
    ASSERT_EQ(desk.scheduler.chunk()->parts.size(), 2U);
    ASSERT_GT(desk.scheduler.chunk()->layersDone, 0);
    const int freeBefore = desk.pools.pools[0].freeBlocks();
    desk.scheduler.remove(10, false);
    EXPECT_EQ(desk.scheduler.chunk(), nullptr);
    EXPECT_EQ(desk.pools.pools[0].freeBlocks(), freeBefore + 2) << "its blocks are free at once";
    EXPECT_EQ(desk.scheduler.find(11)->computed, 0);
    while (desk.isReading(11)) desk.step();
    EXPECT_EQ(desk.scheduler.find(11)->computed, 30);
    desk.pools.pools[0].checkIntegrity();
}

TEST(SchedulerPauses, APreemptedSequenceGivesItsChunkUp) {
    Desk desk{Device{}, 16};
    desk.scheduler.setLayerCosts(desk.device.layer);
    desk.add(1, 40);  // three blocks, and growing
    for (int i = 0; i < 4; ++i) desk.step();
    desk.add(2, 180);  // twelve blocks
    desk.step();
    ASSERT_NE(desk.scheduler.chunk(), nullptr);
    ASSERT_GT(desk.scheduler.chunk()->layersDone, 0);
    // The first one needs a block while the second one's rows are between two layers.
    Sequence* first = desk.scheduler.find(1);
    while (first->tokens.size() < 65) first->tokens.push_back(1);
    const Scheduler::Plan plan = desk.scheduler.schedule(desk.now);
    EXPECT_EQ(desk.scheduler.find(2)->preemptions, 1);
    EXPECT_EQ(desk.scheduler.chunk(), nullptr);
    EXPECT_EQ(plan.chunkLayers, 0);
    ASSERT_EQ(plan.parts.size(), 1U);
    desk.pools.pools[0].checkIntegrity();
}

}  // namespace
}  // namespace engine
