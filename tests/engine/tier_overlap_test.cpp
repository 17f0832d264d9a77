#include <gtest/gtest.h>

#include <filesystem>

#include "engine/kv/host_bytes.h"
#include "engine/kv/tier_stack.h"
#include "tests/engine/support/cache_driver.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/late_ops.h"

/// What tiers bring back arrives while others run, and what they keep is written while nobody does.
namespace engine {
namespace {

namespace fs = std::filesystem;
using testing::EngineDriver;
using testing::TinyChatModel;

struct LateEngine {
    explicit LateEngine(int blocks) {
        options = EngineDriver::options(model);
        options.kvBytes = static_cast<size_t>(blocks) * 4096;
        options.hostCacheBytes = 64U << 20;
        options.wrapDevice = [this](std::unique_ptr<kernels::Ops> ops) {
            return std::make_unique<testing::LateOps>(std::move(ops), fault, lateness);
        };
    }
    const TinyChatModel model;
    testing::Fault fault;
    testing::Lateness lateness;
    EngineOptions options;
};

GenerateRequest question(int chat) {
    GenerateRequest request = EngineDriver::ask(
        "question number " + std::to_string(chat) + ", and what do you say to that?", 40, 0.8F);
    request.sampling.seed = static_cast<uint64_t>(chat);
    return request;
}

TEST(TierOverlap, RepliesGoOnWhileAnotherChatComesBackAndNoByteChanges) {
    LateEngine late(40);
    EngineDriver roomy(EngineDriver::options(late.model)), driver(late.options);
    constexpr int kChats = 6;
    std::vector<GenerateRequest> requests;
    for (int chat = 0; chat < kChats; ++chat) requests.push_back(question(chat));
    int64_t tokensMeanwhile = 0;
    for (int turn = 0; turn < 3; ++turn) {
        GenerateRequest running = EngineDriver::ask("tell me a story", 250, 1.0F);
        running.sampling.seed = 100 + static_cast<uint64_t>(turn);
        const auto expected = roomy.run(running).ids;
        const RequestId story = driver.engine->submit(running);
        for (int chat = 0; chat < kChats; ++chat) {
            const auto& reference = roomy.run(requests[static_cast<size_t>(chat)]);
            const RequestId id = driver.engine->submit(requests[static_cast<size_t>(chat)]);
            while (!driver.outcomes[id].isFinished) {
                const size_t had = driver.outcomes[story].ids.size();
                const bool isUnderway = late.lateness.underway > 0;
                driver.step();
                if (isUnderway && late.lateness.underway > 0)
                    tokensMeanwhile += static_cast<int64_t>(driver.outcomes[story].ids.size() - had);
            }
            ASSERT_EQ(driver.outcomes[id].ids, reference.ids) << "turn " << turn << ", chat " << chat;
            requests[static_cast<size_t>(chat)] =
                EngineDriver::next(requests[static_cast<size_t>(chat)], reference, "and then?");
            driver.engine->checkIntegrity();
        }
        EXPECT_EQ(driver.run(story).ids, expected);
    }
    EXPECT_GT(driver.engine->stats().restoredBlocks, 20);
    EXPECT_GT(tokensMeanwhile, 20) << "the story was written while blocks came back";
}

/// Where the next step is enqueued before the tokens of this one are known, a chat whose rows have come is
/// not left out of it.
TEST(TierOverlap, AChatThatHasComeBackJoinsRepliesWhoseStepsRunAhead) {
    LateEngine late(40);
    late.fault.runsAhead = true;
    late.options.speculate = SpeculationMode::Off;
    EngineDriver driver(late.options);
    const auto answer = driver.run(question(0));
    for (int chat = 1; chat < 8; ++chat) driver.run(question(chat));
    const RequestId story = driver.engine->submit(EngineDriver::ask("tell me a story", 300, 1.0F));
    while (driver.outcomes[story].ids.size() < 20) driver.step();
    const int64_t before = driver.engine->stats().restoredBlocks, ahead = driver.engine->stats().stepsAhead;
    const auto& next = driver.run(EngineDriver::next(question(0), answer, "and then?"));
    EXPECT_EQ(next.ids.size(), 40U);
    EXPECT_GT(driver.engine->stats().restoredBlocks, before);
    EXPECT_GT(driver.engine->stats().stepsAhead, ahead + 20);
    EXPECT_LT(driver.outcomes[story].ids.size(),
              20U + 2 * static_cast<size_t>(late.lateness.questions) + 60U);
    driver.engine->checkIntegrity();
}

TEST(TierOverlap, WithNobodyElseToServeItIsWaitedFor) {
    LateEngine late(24);
    late.lateness.questions = 1 << 30;
    EngineDriver driver(late.options);
    GenerateRequest request = question(1);
    const auto first = driver.run(request);
    for (int chat = 2; chat < 8; ++chat) driver.run(question(chat));
    request = EngineDriver::next(request, first, "and then?");
    const auto& second = driver.run(request);
    EXPECT_GT(driver.engine->stats().restoredBlocks, 0);
    EXPECT_GT(late.lateness.awaited, 0);
    EXPECT_EQ(EngineDriver(EngineDriver::options(late.model)).run(request).ids, second.ids);
}

TEST(TierOverlap, ACancelledChatThatIsComingBackLeavesNothingThatLaterWritesOverOthers) {
    LateEngine late(24);
    late.lateness.questions = 200;
    EngineDriver driver(late.options), roomy(EngineDriver::options(late.model));
    GenerateRequest request = question(1);
    const auto first = driver.run(request);
    request = EngineDriver::next(request, first, "and then?");
    for (int round = 0; round < 12; ++round) {
        for (int chat = 2; chat < 6; ++chat) driver.run(question(chat));
        const RequestId running = driver.engine->submit(question(50 + round));
        driver.step();
        const RequestId coming = driver.engine->submit(request);
        for (int i = 0; i < 2; ++i) driver.step();
        driver.engine->cancel(coming);
        EXPECT_EQ(driver.run(running).ids, roomy.run(question(50 + round)).ids) << "round " << round;
        EXPECT_EQ(driver.run(question(80 + round)).ids, roomy.run(question(80 + round)).ids);
        driver.engine->checkIntegrity();
    }
    EXPECT_GT(late.lateness.begun, 20);
}

class Saving : public ::testing::Test {
  protected:
    Saving() {
        std::string folder = (fs::temp_directory_path() / "alcove-saving-XXXXXX").string();
        root = mkdtemp(folder.data());
    }
    ~Saving() override { fs::remove_all(root); }
    size_t files() const {
        size_t count = 0;
        for (const auto& file : fs::recursive_directory_iterator(root))
            count += file.is_regular_file() ? 1 : 0;
        return count;
    }
    fs::path root;
    const TinyChatModel model;
};

TEST_F(Saving, AnIdleEngineWritesWhatHostMemoryHoldsSoThatNothingIsLeftForTheEnd) {
    EngineOptions options = EngineDriver::options(model);
    options.kvBytes = 24 * 4096;
    options.hostCacheBytes = 64U << 20;
    options.diskCache = root / "cache";
    options.saveAtEnd = std::chrono::milliseconds(0);
    std::vector<GenerateRequest> requests;
    std::vector<int> lengths;
    {
        EngineDriver driver(options);
        for (int chat = 0; chat < 6; ++chat) {
            const auto& outcome = driver.run(question(chat));
            requests.push_back(EngineDriver::next(question(chat), outcome, "and then?"));
            lengths.push_back(outcome.stats.promptTokens + outcome.stats.newTokens);
        }
        EXPECT_GT(driver.engine->stats().hostBlocks, 0) << "the test meets what it is for";
        while (driver.step()) continue;
    }
    EngineDriver driver(options);
    for (size_t chat = 0; chat < requests.size(); ++chat) {
        const auto& outcome = driver.run(requests[chat]);
        EXPECT_LE(outcome.stats.prefillTokens, outcome.stats.promptTokens - lengths[chat] + 16) << chat;
    }
}

TEST_F(Saving, TheEndTakesNoLongerThanItMay) {
    EngineOptions options = EngineDriver::options(model);
    options.diskCache = root / "cache";
    options.saveAtEnd = std::chrono::milliseconds(0);
    { EngineDriver(options).run(question(1)); }
    EXPECT_EQ(files(), 0U);
    options.saveAtEnd = std::chrono::minutes(1);
    { EngineDriver(options).run(question(1)); }
    EXPECT_GT(files(), 0U);
}

TEST_F(Saving, MeasuringTheDiskLeavesNothingBehind) {
    const DiskTier disk(root / "cache", 7, 1 << 20);
    EXPECT_GT(disk.measureReading(64 << 10), 0.0);
    EXPECT_EQ(files(), 0U);
    const DiskTier none("/proc/no/such/folder", 7, 1 << 20);
    EXPECT_EQ(none.measureReading(64 << 10), 0.0);
}

TEST(TierCosts, DecideBetweenBringingBackAndComputing) {
    using testing::count;
    TierStack tiers(std::make_unique<HostTier>(1 << 20), nullptr);
    BlockContent content{BlockKey::ofNamespace(7), count(0, 16), 1, HostBytes(1000)};
    tiers.put(content);
    const auto found = [&](const RecomputeCost& recompute, int depth) {
        return tiers.find(content.parent, depth, count(0, 16), recompute).has_value();
    };
    tiers.setCosts({0.1, 0.0});  // 100 us a block
    EXPECT_TRUE(found({10.0}, 0)) << "computing its 16 tokens takes 160 us";
    EXPECT_FALSE(found({5.0}, 0));
    EXPECT_TRUE(found({5.0, 0.01}, 1000)) << "deeper in, a token takes 15 us";
    tiers.noteUpload(1000, 400.0);  // the bus is busy
    tiers.noteUpload(1000, 400.0);
    EXPECT_FALSE(found({10.0}, 0));
}

TEST(TierCosts, TheDiskIsWeighedWithReadingAndCopying) {
    using testing::count;
    std::string folder = (fs::temp_directory_path() / "alcove-costs-XXXXXX").string();
    const fs::path root = mkdtemp(folder.data());
    TierStack tiers(nullptr, std::make_unique<DiskTier>(root / "cache", 7, 1 << 20));
    BlockContent content{BlockKey::ofNamespace(7), count(0, 16), 1, HostBytes(1000)};
    tiers.put(content);
    tiers.setCosts({0.1, 0.9});
    EXPECT_FALSE(tiers.find(content.parent, 0, count(0, 16), {50.0}));
    EXPECT_TRUE(tiers.find(content.parent, 0, count(0, 16), {100.0}));
    fs::remove_all(root);
}

TEST(HostArena, HandsOutMemoryAgainThatWasGivenBack) {
    const auto ops = kernels::makeCpuOps({.threads = 1});
    HostArena arena(*ops);
    HostBytes first = arena.take(1000), second = arena.take(1000), other = arena.take(77);
    EXPECT_NE(first.data(), second.data());
    std::fill_n(first.data(), 1000, std::byte{1});
    std::fill_n(second.data(), 1000, std::byte{2});
    std::fill_n(other.data(), 77, std::byte{3});
    const std::byte* place = first.data();
    {
        const HostBytes shared = first;
        first = HostBytes();
        EXPECT_EQ(shared[999], std::byte{1}) << "a copy keeps it";
        EXPECT_NE(arena.take(1000).data(), place);
    }
    std::vector<HostBytes> all;
    bool isUsedAgain = false;
    for (int i = 0; i < 3; ++i) {
        all.push_back(arena.take(1000));
        isUsedAgain = isUsedAgain || all.back().data() == place;
    }
    EXPECT_TRUE(isUsedAgain);
    EXPECT_EQ(second[500], std::byte{2});
    EXPECT_EQ(other[76], std::byte{3});
}

}  // namespace
}  // namespace engine
