#include <gtest/gtest.h>

#include "tests/engine/support/lazy_ops.h"
#include "tests/engine/support/logged_engine.h"

/// Decode steps are enqueued before the tokens of the step before are known, and nobody can tell: tokens,
/// text, the order of events and what the requests' statistics count are those of an engine that waits for
/// each step. The device is the CPU, doing everything as late as it may.
namespace engine {
namespace {

using testing::anyRequest;
using testing::ask;
using testing::EngineDriver;
using testing::LoggedEngine;
using testing::runWaves;
using testing::TinyChatModel;
using testing::TinyModel;

const TinyChatModel& model() {
    static const TinyChatModel tiny;
    return tiny;
}
const TinyChatModel& windowModel() {
    static const TinyChatModel tiny = [] {
        TinyModel gemma = testing::tinyChatShape();
        gemma.layers = 7;  // the sixth sees everything
        gemma.architecture = "gemma3";
        gemma.window = 24;
        return TinyChatModel(gemma);
    }();
    return tiny;
}

EngineOptions options(const TinyChatModel& tiny, SpeculationMode mode = SpeculationMode::Off) {
    EngineOptions options = EngineDriver::options(tiny);
    options.speculate = mode;
    return options;
}

/// On a device that does everything as late as it may.
struct Lazy {
    explicit Lazy(EngineOptions options) : engine(wrapped(std::move(options))) {}
    EngineOptions wrapped(EngineOptions options) {
        options.wrapDevice = [this](std::unique_ptr<kernels::Ops> ops) {
            return std::make_unique<testing::LazyOps>(std::move(ops), fault);
        };
        return options;
    }
    testing::Fault fault;
    LoggedEngine engine;
};

/// Returns how many steps ran ahead.
int64_t expectTheSame(const EngineOptions& options, uint32_t seed, int waves, int most) {
    LoggedEngine waiting(options);
    Lazy lazy(options);
    LoggedEngine& ahead = lazy.engine;
    const auto ids = runWaves(waiting, seed, waves, most);
    EXPECT_EQ(runWaves(ahead, seed, waves, most), ids);
    EXPECT_EQ(ahead.log, waiting.log) << "seed " << seed;
    EXPECT_EQ(waiting.stepsAhead(), 0);
    EXPECT_EQ(ahead->stats().kvBlocksUsed, waiting->stats().kvBlocksUsed);
    EXPECT_EQ(ahead->stats().kvBlocksCached, waiting->stats().kvBlocksCached);
    return ahead.stepsAhead();
}
/// Over so many seeds.
int64_t expectTheSameOften(const EngineOptions& options, uint32_t seeds, int waves, int most) {
    int64_t ahead = 0;
    for (uint32_t seed = 0; seed < seeds && !::testing::Test::HasFailure(); ++seed)
        ahead += expectTheSame(options, seed, waves, most);
    return ahead;
}

TEST(RunAhead, AReplyIsEnqueuedAStepAheadFromItsSecondTokenToItsLastButOne) {
    Lazy lazy(options(model()));
    LoggedEngine& engine = lazy.engine;
    engine.run(ask(1, 40));
    EXPECT_EQ(engine.stepsAhead(), 38);
    engine.run(ask(2, 2));
    EXPECT_EQ(engine.stepsAhead(), 38) << "after the only decode step there is none";
}

TEST(RunAhead, ChangesNoEventOfAnyMixOfRequests) {
    EXPECT_GT(expectTheSameOften(options(model()), 30, 6, 6), 3000);
}

TEST(RunAhead, ChangesNothingInSlidingWindows) {
    EXPECT_GT(expectTheSameOften(options(windowModel()), 10, 4, 5), 300);
}

TEST(RunAhead, ChangesNothingWithoutAPrefixCache) {
    EngineOptions off = options(model());
    off.prefixCache = false;
    EXPECT_GT(expectTheSameOften(off, 10, 4, 5), 300);
}

/// Little room: sequences give way to others, and what the cache holds is evicted, to host memory too.
TEST(RunAhead, ChangesNoByteWhereBlocksRunOut) {
    int64_t stepsAhead = 0;
    for (uint32_t seed = 0; seed < 10; ++seed) {
        EngineOptions tight = options(model());
        tight.kvBytes = 25 * 4096;
        tight.contextTokens = 384;
        if (seed % 2 == 1) tight.hostCacheBytes = size_t{1} << 20;
        LoggedEngine waiting(tight);
        Lazy lazy(tight);
        LoggedEngine& ahead = lazy.engine;
        waiting.tellsBlocks = ahead.tellsBlocks = false;
        const auto ids = runWaves(waiting, seed, 6, 8);
        ASSERT_EQ(runWaves(ahead, seed, 6, 8), ids);
        for (const RequestId id : ids)
            EXPECT_EQ(ahead.records[id].log, waiting.records[id].log) << "seed " << seed;
        stepsAhead += ahead.stepsAhead();
    }
    EXPECT_GT(stepsAhead, 500);
}

TEST(RunAhead, PreemptedSequencesResumeExactly) {
    EngineOptions tight = options(model());
    tight.kvBytes = 25 * 4096;
    LoggedEngine roomy(options(model()));
    Lazy lazy(tight);
    LoggedEngine& ahead = lazy.engine;
    ahead.tellsBlocks = roomy.tellsBlocks = false;
    std::vector<RequestId> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(ahead.submit(ask(i, 150)));
    ahead.finish();
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(ahead.records[ids[static_cast<size_t>(i)]].log, roomy.run(ask(i, 150)).log);
    EXPECT_GT(ahead->stats().preemptions, 0);
    EXPECT_GT(ahead.stepsAhead(), 30);
}

/// Requests that come while others run begin a step later than without; each says the same.
TEST(RunAhead, ChangesNoByteWhenRequestsComeMeanwhile) {
    LoggedEngine waiting(options(model()));
    Lazy lazy(options(model()));
    LoggedEngine& ahead = lazy.engine;
    for (LoggedEngine* engine : {&waiting, &ahead}) {
        std::mt19937 random(7);
        for (int i = 0; i < 40; ++i) {
            const RequestId id = engine->submit(anyRequest(random, i));
            for (uint32_t steps = random() % 15; steps > 0; --steps) engine->step();
            if (i % 5 == 0) (*engine)->setPriority(id, 2);
        }
        engine->finish();
    }
    for (const auto& [id, record] : waiting.records)
        EXPECT_EQ(ahead.records[id].ids, record.ids) << "request " << id;
    EXPECT_GT(ahead.stepsAhead(), 60);
}

/// A request that waits for blocks is looked at in each step, as soon as somebody's are free.
TEST(RunAhead, NobodyWaitsLongerThanWithout) {
    EngineOptions tight = options(model());
    tight.kvBytes = 25 * 4096;
    GenerateRequest stops = ask(2, 60);  // in the middle of what it would say, which nobody foresees
    const std::string text = EngineDriver(options(model())).run(stops).text;
    stops.sampling.stop = {text.substr(text.size() / 2, 6)};
    const auto tokensBefore = [&stops](LoggedEngine& engine) {
        const RequestId running = engine.submit(ask(1, 200)), ends = engine.submit(stops);
        while (engine.records[ends].ids.size() < 10) engine.step();
        GenerateRequest large;  // 20 blocks of the 25: too many beside two replies
        large.promptIds.assign(310, 65);
        large.maxNewTokens = 4;
        const RequestId waits = engine.submit(std::move(large));
        while (engine.records[waits].log.empty()) engine.step();
        EXPECT_TRUE(engine.records[ends].isFinished);
        EXPECT_LT(engine.records[ends].ids.size(), 60U);
        EXPECT_FALSE(engine.records[running].isFinished);
        return engine.records[running].ids.size();
    };
    LoggedEngine waiting(tight);
    Lazy lazy(tight);
    EXPECT_LE(tokensBefore(lazy.engine), tokensBefore(waiting) + 1) << "but for the step in flight";
}

TEST(RunAhead, APriorityCountsFromTheStepAfterTheOneInFlight) {
    Lazy lazy(options(model()));
    LoggedEngine& engine = lazy.engine;
    const RequestId first = engine.submit(ask(1, 100)), second = engine.submit(ask(2, 100));
    while (engine.records[second].ids.size() < 10) engine.step();
    const auto goesFirst = [&] {
        engine.log.clear();
        engine.step();
        return static_cast<RequestId>(std::stoi(engine.log));
    };
    EXPECT_EQ(goesFirst(), first);
    engine->setPriority(second, 1);
    engine.step();
    EXPECT_EQ(goesFirst(), second);
    const int64_t before = engine.stepsAhead();
    engine.step();
    EXPECT_EQ(engine.stepsAhead(), before + 1) << "and it goes on ahead";
}

TEST(RunAhead, CancelGivesEverythingBackWithinOneStep) {
    Lazy lazy(options(model()));
    LoggedEngine& engine = lazy.engine;
    const RequestId id = engine.submit(ask(1, 300));
    while (engine.records[id].ids.size() < 40) engine.step();
    engine->cancel(id);
    engine.step();
    EXPECT_TRUE(engine.records[id].isFinished);
    EXPECT_EQ(engine.records[id].ids.size(), 40U) << "the token in flight is thrown away";
    const EngineStats stats = engine->stats();
    EXPECT_EQ(stats.running, 0);
    EXPECT_EQ(stats.kvBlocksUsed, stats.kvBlocksCached);
    engine->checkIntegrity();
}

/// The row of a reply that had ended is computed all the same; what it stored must be nobody's.
TEST(RunAhead, ARowThatIsThrownAwayLeavesNoTraceInThePrefixCache) {
    EngineOptions uncached = options(model());
    uncached.prefixCache = false;
    LoggedEngine plain(uncached);
    Lazy lazy(options(model()));
    LoggedEngine& ahead = lazy.engine;
    for (int length = 30; length < 50; ++length) {  // ends in each row of a block
        GenerateRequest request = ask(3, 200);
        const RequestId id = ahead.submit(request);
        while (ahead.records[id].ids.size() < static_cast<size_t>(length)) ahead.step();
        ahead->cancel(id);
        ahead.step();
        EngineDriver::Outcome answer;
        answer.ids = ahead.records[id].ids;
        for (const TokenId token : answer.ids) answer.text += ahead->tokenizer().pieceBytes(token);
        const GenerateRequest next =
            EngineDriver::next(request, answer, "go on, number " + std::to_string(length));
        EXPECT_EQ(ahead.run(next).ids, plain.run(next).ids) << length;
    }
    EXPECT_GT(ahead->stats().cachedTokens, 20 * 30);
}

TEST(RunAhead, AChatThatIsForgottenWhileItRunsLeavesNothing) {
    Lazy lazy(options(model()));
    LoggedEngine& engine = lazy.engine;
    const GenerateRequest request = ask(5, 200);
    const RequestId id = engine.submit(request), other = engine.submit(ask(6, 60));
    while (engine.records[id].ids.size() < 50) engine.step();
    engine->cancel(id);
    engine->forgetEverything();
    engine.finish();
    EXPECT_EQ(engine.records[other].ids.size(), 60U);
    const EngineStats before = engine->stats();
    engine.run(request);
    EXPECT_LT(engine->stats().cachedTokens - before.cachedTokens, 16);
}

TEST(RunAhead, AFailureInFlightEndsTheRequestsOfTheStepAndTheEngineLives) {
    LoggedEngine plain(options(model()));
    Lazy lazy(options(model()));
    LoggedEngine& engine = lazy.engine;
    const auto expected = plain.run(ask(9, 20)).ids;
    for (int round = 0; round < 8; ++round) {
        const RequestId first = engine.submit(ask(1, 100)), second = engine.submit(ask(2, 100));
        while (engine.records[second].ids.size() < 10) engine.step();
        lazy.fault.armedAfter = 1 + round;  // in the step in flight and in later ones
        engine.finish();
        for (const RequestId id : {first, second})
            EXPECT_NE(engine.records[id].log.find("failed: the device failed while computing (injected"),
                      std::string::npos)
                << engine.records[id].log;
        EXPECT_EQ(engine.run(ask(9, 20)).ids, expected) << "what was kept is sound";
    }
}

TEST(RunAhead, ADeviceLostAtAnyMomentEndsEveryRequest) {
    for (int round = 0; round < 40; ++round) {
        Lazy lazy(options(model()));
        LoggedEngine& engine = lazy.engine;
        std::vector<RequestId> ids;
        for (int i = 0; i < 3; ++i) ids.push_back(engine.submit(ask(i, 60)));
        lazy.fault.lostAfter = 3 + round * round;
        for (int step = 0; step < 20; ++step) engine.step();
        engine->cancel(ids[1]);
        ids.push_back(engine.submit(ask(7, 20)));
        for (int step = 0; step < 300; ++step) engine.step();
        for (const RequestId id : ids) EXPECT_TRUE(engine.records[id].isFinished) << "round " << round;
    }
}

/// Where no n-gram can be found whatever the next token is, nothing would be drafted.
TEST(RunAhead, DraftsFromTheTextAreMadeAsWithoutAndOtherStepsRunAhead) {
    EXPECT_GT(expectTheSameOften(options(model(), SpeculationMode::Ngram), 20, 5, 3), 300);
}

TEST(RunAhead, AutoRunsAheadWhereItWouldDraftNothing) {
    // No clock runs, so nothing is known of costs and nothing is drafted.
    EXPECT_GT(expectTheSameOften(options(model(), SpeculationMode::Auto), 5, 5, 5), 300);
}

/// Every look at the clock is a millisecond later, so drafts always pay.
TEST(RunAhead, AutoDraftsWhereItPaysAndTheTextIsTheSame) {
    int drafted = 0;
    int64_t stepsAhead = 0;
    for (int i = 0; i < 6; ++i) {
        testing::Fault none;
        EngineOptions lazy = options(model(), SpeculationMode::Auto);
        lazy.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
            return std::make_unique<testing::LazyOps>(std::move(ops), none);
        };
        auto now = std::make_shared<std::chrono::nanoseconds>(0);
        EngineDriver drafting(lazy, [now] { return *now += std::chrono::milliseconds(1); });
        EngineDriver plain(options(model()));
        GenerateRequest request = ask(i, 150, 1.0F);
        request.sampling.presencePenalty = -1.0F * static_cast<float>(i);  // the more it says again
        const auto& outcome = drafting.run(request);
        EXPECT_EQ(outcome.ids, plain.run(request).ids);
        drafted += outcome.stats.draftedTokens;
        stepsAhead += drafting.engine->stats().stepsAhead;
    }
    EXPECT_GT(drafted, 20);
    EXPECT_GT(stepsAhead, 50);
}

TEST(RunAhead, TheClockOfAStepBeginsWhereTheOneBeforeEnded) {
    // Each look at the clock is a millisecond later.
    auto now = std::make_shared<std::chrono::nanoseconds>(0);
    testing::Fault fault;
    EngineOptions lazy = options(model());
    lazy.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
        return std::make_unique<testing::LazyOps>(std::move(ops), fault);
    };
    EngineDriver driver(lazy, [now] { return *now += std::chrono::milliseconds(1); });
    const auto& outcome = driver.run(EngineDriver::ask("tell me a story", 100));
    ASSERT_GT(driver.engine->stats().stepsAhead, 90);
    // Two looks a step: as it is enqueued and as its tokens are read.
    EXPECT_NEAR(outcome.stats.decodeTokensPerSecond, 500.0, 50.0);
}

}  // namespace
}  // namespace engine
