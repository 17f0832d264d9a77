#include <atomic>
#include <thread>

#include "kernels/cpu/cpu_ops.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/failing_ops.h"

namespace engine {
namespace {

using testing::EngineDriver;
using testing::TinyChatModel;

const TinyChatModel& model() {
    static const TinyChatModel tiny;
    return tiny;
}
EngineOptions options() {
    return EngineDriver::options(model());
}

TEST(Engine, StreamsAReplyTokenByTokenAndSaysHowItWent) {
    EngineDriver driver(options());
    const auto& outcome = driver.run(EngineDriver::ask("what is the name of the thing?", 24));
    EXPECT_TRUE(outcome.isStarted);
    EXPECT_EQ(outcome.ids.size(), 24U);
    EXPECT_GE(outcome.deltas, 24);
    EXPECT_EQ(outcome.reason, FinishReason::Length);
    EXPECT_EQ(outcome.stats.newTokens, 24);
    EXPECT_EQ(outcome.stats.cachedTokens, 0);
    EXPECT_EQ(outcome.stats.prefillTokens, outcome.stats.promptTokens);
    EXPECT_EQ(outcome.stats.contextTokens, outcome.stats.promptTokens + 24);
    driver.engine->checkIntegrity();
}

TEST(Engine, TheSameSeedGivesTheSameTextWhateverElseRuns) {
    EngineDriver alone(options());
    GenerateRequest request = EngineDriver::ask("tell me a story", 60, 1.0F);
    request.sampling.seed = 5;
    const std::vector<TokenId> expected = alone.run(request).ids;

    EngineDriver busy(options());
    for (int other = 0; other < 3; ++other) {
        GenerateRequest noise = EngineDriver::ask("question " + std::to_string(other), 100, 0.9F);
        noise.sampling.seed = static_cast<uint64_t>(other);
        busy.engine->submit(noise);
        busy.step();
    }
    EXPECT_EQ(busy.run(request).ids, expected);
    request.sampling.seed = 6;
    EXPECT_NE(busy.run(request).ids, expected);
}

TEST(Engine, StopsBeforeAStopStringThatCrossesTokens) {
    EngineDriver driver(options());
    GenerateRequest request = EngineDriver::ask("count the words", 60, 1.0F);
    const auto whole = driver.run(request);
    // A piece of the text that begins and ends inside tokens: two bytes before and after a token's border.
    const Tokenizer& tokenizer = driver.engine->tokenizer();
    size_t at = 20;
    std::string stop;
    for (; stop.size() < 3 && at + 1 < whole.ids.size(); ++at) {
        const std::string next(tokenizer.pieceBytes(whole.ids[at]));
        const bool isAscii = std::all_of(next.begin(), next.end(), [](char c) { return c >= ' '; });
        if (isAscii)
            stop += next;
        else
            stop.clear();
    }
    ASSERT_GE(stop.size(), 3U) << "choose another seed";
    request.sampling.stop = {stop};
    const auto& cut = driver.run(request);
    EXPECT_EQ(cut.reason, FinishReason::Stop);
    EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(stop)));
}

TEST(Engine, EndsAtTheModelsEndTokenUnlessToldNotTo) {
    EngineDriver driver(options());
    GenerateRequest request = EngineDriver::ask("say something", 400, 2.0F);
    request.sampling.ignoreEndOfGeneration = false;
    for (uint64_t seed = 0; seed < 20; ++seed) {
        request.sampling.seed = seed;
        const auto& outcome = driver.run(request);
        if (outcome.reason != FinishReason::Stop) continue;
        EXPECT_TRUE(driver.engine->tokenizer().isEndOfGeneration(outcome.ids.back()));
        EXPECT_EQ(static_cast<int>(outcome.ids.size()), outcome.stats.newTokens) << "the end token counts";
        return;
    }
    FAIL() << "400 random tokens twenty times, and never an end token";
}

TEST(Engine, CancelEndsARequestWithinOneStepAndItsBlocksAreFreeForTheTaking) {
    EngineDriver driver(options());
    const RequestId id = driver.engine->submit(EngineDriver::ask("a long story", 300));
    while (driver.outcomes[id].ids.size() < 40) driver.step();
    driver.engine->cancel(id);
    driver.step();
    EXPECT_TRUE(driver.outcomes[id].isFinished);
    EXPECT_EQ(driver.outcomes[id].reason, FinishReason::Cancelled);
    const EngineStats stats = driver.engine->stats();
    EXPECT_EQ(stats.running, 0);
    EXPECT_EQ(stats.kvBlocksUsed, stats.kvBlocksCached);
    driver.engine->cancel(id);  // once more, and unknown ones
    driver.engine->cancel(12345);
    driver.step();
    driver.engine->checkIntegrity();

    EngineOptions uncached = options();
    uncached.prefixCache = false;
    EngineDriver plain(uncached);
    const RequestId other = plain.engine->submit(EngineDriver::ask("a long story", 300));
    while (plain.outcomes[other].ids.size() < 40) plain.step();
    plain.engine->cancel(other);
    plain.step();
    EXPECT_EQ(plain.engine->stats().kvBlocksUsed, 0);
}

TEST(Engine, ARequestThatCannotBeFailsWithTheFigures) {
    EngineDriver driver(options());
    std::string text;
    for (int i = 0; i < 800; ++i) text += "word ";
    const auto& full = driver.run(EngineDriver::ask(text));
    EXPECT_NE(full.error.find("the context holds 512"), std::string::npos) << full.error;
    GenerateRequest bad;
    bad.promptIds = {1, 2, 99999};
    EXPECT_NE(driver.run(bad).error.find("99999"), std::string::npos);
    EXPECT_EQ(driver.run(EngineDriver::ask("still there?", 4)).ids.size(), 4U);
}

TEST(Engine, ADeviceFailureEndsTheRequestsOfThatStepOnly) {
    testing::Fault fault;
    EngineOptions faulty = options();
    faulty.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
        return std::make_unique<testing::FailingOps>(std::move(ops), fault);
    };
    EngineDriver driver(faulty);
    const auto good = driver.run(EngineDriver::ask("hello", 8));
    const RequestId id = driver.engine->submit(EngineDriver::ask("hello again", 50));
    while (driver.outcomes[id].ids.size() < 5) driver.step();
    fault.armed = true;
    driver.step();
    EXPECT_NE(driver.outcomes[id].error.find("the device failed"), std::string::npos);
    driver.engine->checkIntegrity();
    const auto& after = driver.run(EngineDriver::ask("hello", 8));
    EXPECT_EQ(after.ids, good.ids) << "the engine lives on, and what it kept is sound";
}

/// Prompts that pause after every layer for as long as somebody's reply is written.
EngineOptions pausing(const TinyChatModel& tiny) {
    EngineOptions options = EngineDriver::options(tiny);
    options.prefillShare = 1e-9;
    return options;
}
const TinyChatModel& deepModel() {
    static const TinyChatModel tiny = [] {
        testing::TinyModel shape = testing::tinyChatShape();
        shape.layers = 6;
        return TinyChatModel(shape);
    }();
    return tiny;
}

TEST(Engine, PromptsPauseBetweenLayersForRunningRepliesAndNoByteChanges) {
    EngineOptions whole = EngineDriver::options(deepModel());
    whole.prefillShare = whole.prefillMicros = 0.0;
    EngineDriver plain(whole), paused(pausing(deepModel()));
    GenerateRequest running = EngineDriver::ask("tell me a story", 300, 1.0F),
                    asked = EngineDriver::ask(
                        "what is the name of the thing? and how does it work for all of them?", 30, 0.8F);
    const auto expectedRunning = plain.run(running).ids, expectedAsked = plain.run(asked).ids;
    const RequestId first = paused.engine->submit(running);
    while (paused.outcomes[first].ids.size() < 20) paused.step();
    const RequestId second = paused.engine->submit(asked);
    const size_t before = paused.outcomes[first].ids.size();
    while (paused.outcomes[second].ids.empty()) {
        const size_t had = paused.outcomes[first].ids.size();
        paused.step();
        EXPECT_GT(paused.outcomes[first].ids.size(), had) << "no step without a token of the running reply";
    }
    EXPECT_GE(paused.outcomes[first].ids.size() - before, 6U) << "a token for each layer, at least";
    EXPECT_EQ(paused.run(second).ids, expectedAsked);
    EXPECT_EQ(paused.run(first).ids, expectedRunning);
    paused.engine->checkIntegrity();
}

TEST(Engine, ACancelledPromptBetweenTwoLayersGivesEverythingBack) {
    EngineDriver driver(pausing(deepModel()));
    GenerateRequest request = EngineDriver::ask("tell me a story", 300, 1.0F);
    const RequestId first = driver.engine->submit(request);
    while (driver.outcomes[first].ids.size() < 20) driver.step();
    const RequestId second = driver.engine->submit(EngineDriver::ask("a short question", 30));
    driver.step();
    driver.step();
    ASSERT_TRUE(driver.outcomes[second].isStarted);
    ASSERT_TRUE(driver.outcomes[second].ids.empty());
    driver.engine->cancel(second);
    driver.step();
    EXPECT_EQ(driver.outcomes[second].reason, FinishReason::Cancelled);
    driver.run(first);
    EXPECT_EQ(driver.engine->stats().kvBlocksUsed, driver.engine->stats().kvBlocksCached);
    driver.engine->checkIntegrity();
}

TEST(Engine, ADeviceFailureBetweenTwoLayersEndsThatPromptOnly) {
    testing::Fault fault;
    EngineOptions faulty = pausing(deepModel());
    faulty.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
        return std::make_unique<testing::FailingOps>(std::move(ops), fault);
    };
    EngineDriver driver(faulty);
    const RequestId first = driver.engine->submit(EngineDriver::ask("tell me a story", 100));
    while (driver.outcomes[first].ids.size() < 20) driver.step();
    const RequestId second = driver.engine->submit(EngineDriver::ask("a short question", 30));
    driver.step();
    driver.step();
    ASSERT_TRUE(driver.outcomes[second].isStarted);
    fault.armedAfter = 6;  // the running reply's own layers go well
    driver.step();
    EXPECT_NE(driver.outcomes[second].error.find("the device failed"), std::string::npos);
    EXPECT_EQ(driver.run(first).ids.size(), 100U);
    driver.engine->checkIntegrity();
}

TEST(Engine, NoRoomForTheCacheIsAnErrorThatSaysWhatToDo) {
    EngineOptions greedy = options();
    greedy.kvBytes = size_t{1} << 60;
    const auto loaded = Engine::load(greedy);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::OutOfMemory);
    EXPECT_NE(loaded.error().message.find("choose a smaller"), std::string::npos) << loaded.error().message;
}

TEST(Engine, CacheOnAndOffGiveTheSameBytesAndLaterTurnsComputeOnlyWhatIsNew) {
    EngineOptions off = options();
    off.prefixCache = false;
    EngineDriver cached(options()), plain(off);
    GenerateRequest request = EngineDriver::ask("please write a small program", 30, 0.8F);
    int before = 0;
    for (int turn = 0; turn < 4; ++turn) {
        request.sampling.seed = static_cast<uint64_t>(turn);
        const auto a = cached.run(request), b = plain.run(request);
        ASSERT_EQ(a.ids, b.ids) << "turn " << turn;
        ASSERT_EQ(a.text, b.text);
        EXPECT_EQ(a.stats.cachedTokens + a.stats.prefillTokens, a.stats.promptTokens);
        EXPECT_LE(a.stats.prefillTokens, a.stats.promptTokens - before + 2) << "turn " << turn;
        EXPECT_EQ(b.stats.prefillTokens, b.stats.promptTokens);
        before = a.stats.promptTokens + a.stats.newTokens;
        request = EngineDriver::next(request, a, "and then?");
    }
    cached.engine->checkIntegrity();
}

TEST(Engine, RegeneratingComputesOneToken) {
    EngineDriver driver(options());
    GenerateRequest request = EngineDriver::ask("how does it work for all of them?", 30, 0.8F);
    driver.run(request);
    request.sampling.seed = 1;
    EXPECT_EQ(driver.run(request).stats.prefillTokens, 1);
}

TEST(Engine, PreemptedSequencesResumeExactly) {
    EngineDriver roomy(options());
    std::vector<std::vector<TokenId>> expected;
    const auto request = [](int i) {
        GenerateRequest r = EngineDriver::ask("question number " + std::to_string(i), 150, 0.8F);
        r.sampling.seed = static_cast<uint64_t>(i);
        return r;
    };
    for (int i = 0; i < 4; ++i) expected.push_back(roomy.run(request(i)).ids);
    for (const bool cache : {true, false}) {
        EngineOptions tight = options();
        tight.kvBytes = 25 * 16 * 2 * 64 * 2 * sizeof(uint16_t) / 2;  // 25 blocks: two of four fit
        tight.prefixCache = cache;
        EngineDriver driver(tight);
        std::vector<RequestId> ids;
        for (int i = 0; i < 4; ++i) ids.push_back(driver.engine->submit(request(i)));
        for (int i = 0; i < 4; ++i)
            EXPECT_EQ(driver.run(ids[static_cast<size_t>(i)]).ids, expected[static_cast<size_t>(i)]);
        EXPECT_GT(driver.engine->stats().preemptions, 0);
        driver.engine->checkIntegrity();
    }
}

TEST(Engine, LeavesOutTheOldestTurnsOnceAndSaysSo) {
    EngineDriver driver(options());
    GenerateRequest request = EngineDriver::ask("first question", 40);
    const nlohmann::ordered_json system{{"role", "system"}, {"content", "be kind"}};
    request.messages.insert(request.messages.begin(), system);
    request.whenFull = WhenFull::DropOldestTurns;
    int cuts = 0, turns = 0;
    for (; turns < 14; ++turns) {
        const auto outcome = driver.run(request);
        ASSERT_EQ(outcome.error, "");
        request = EngineDriver::next(request, outcome, "another question, number " + std::to_string(turns));
        if (outcome.cuts.empty()) continue;
        ++cuts;
        const ContextCut& cut = outcome.cuts.front();
        EXPECT_EQ(cut.firstMessage, 1) << "the system message stays";
        EXPECT_LE(cut.tokensAfter, 512 * 6 / 10);
        EXPECT_EQ(cut.messages % 2, 0) << "whole turns";
        const auto first = request.messages.begin() + cut.firstMessage;
        request.messages.erase(first, first + cut.messages);
        request.generatedIds.erase(request.generatedIds.begin() + 1,
                                   request.generatedIds.begin() + 1 + cut.messages);
    }
    EXPECT_GE(cuts, 1);
    EXPECT_LE(cuts, 4) << "not a little each turn";
}

TEST(Engine, TakesCommandsFromSeveralThreadsWhileItsOwnRuns) {
    EngineDriver driver(options());
    std::atomic<int> wakes{0}, ended{0};
    driver.engine->start([&] { ++wakes; });
    std::vector<std::jthread> users;
    for (int user = 0; user < 3; ++user)
        users.emplace_back([&, user] {
            for (int i = 0; i < 6; ++i) {
                const RequestId id =
                    driver.engine->submit(EngineDriver::ask("user " + std::to_string(user), 12));
                if (i % 3 == 2) driver.engine->cancel(id);
                driver.engine->stats();
            }
        });
    while (ended < 18) {
        for (const EngineEvent& event : driver.engine->takeEvents())
            if (std::holds_alternative<Finished>(event)) ++ended;
        std::this_thread::yield();
    }
    users.clear();
    driver.engine->stop();
    EXPECT_GT(wakes, 0);
    driver.engine->checkIntegrity();
}

}  // namespace
}  // namespace engine
