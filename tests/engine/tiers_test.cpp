#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "engine/kv/tier_stack.h"
#include "tests/engine/support/cache_driver.h"
#include "tests/engine/support/engine_driver.h"

namespace engine {
namespace {

namespace fs = std::filesystem;
using testing::CacheDriver;
using testing::count;
using testing::EngineDriver;
using testing::joined;
using testing::TinyChatModel;

class Tiers : public ::testing::Test {
  protected:
    Tiers() {
        std::string folder = (fs::temp_directory_path() / "alcove-tiers-XXXXXX").string();
        root = mkdtemp(folder.data());
    }
    ~Tiers() override { fs::remove_all(root); }

    static BlockContent content(int number, size_t bytes = 64) {
        BlockContent content{BlockKey::ofNamespace(7), count(number * 100, 16), 1, {}};
        content.bytes = HostBytes(bytes);
        std::fill_n(content.bytes.data(), bytes, static_cast<std::byte>(number));
        return content;
    }
    std::vector<fs::path> files() const {
        std::vector<fs::path> found;
        for (const auto& file : fs::recursive_directory_iterator(root))
            if (file.is_regular_file()) found.push_back(file.path());
        return found;
    }
    std::unique_ptr<DiskTier> disk(size_t capacity = 1 << 20, uint64_t space = 7) const {
        return std::make_unique<DiskTier>(root / "cache", space, capacity);
    }
    fs::path root;
};

TEST_F(Tiers, TheHostGivesUpTheLeastRecentlyUsedBlock) {
    HostTier host(200);
    EXPECT_TRUE(host.put(content(1)).empty());
    EXPECT_TRUE(host.put(content(2)).empty());
    EXPECT_TRUE(host.put(content(3)).empty());
    host.get(content(1).key());
    const auto gone = host.put(content(4));
    ASSERT_EQ(gone.size(), 1U);
    EXPECT_EQ(gone[0].tokens, content(2).tokens);
    EXPECT_EQ(host.bytes(), 192U);
    EXPECT_EQ(host.put(content(5, 500)).size(), 4U) << "one that is too large does not stay";
    EXPECT_EQ(host.bytes(), 0U);
}

TEST_F(Tiers, TheDiskKeepsBlocksAcrossRunsForTheirOwnerAlone) {
    disk()->put(content(1));
    ASSERT_EQ(files().size(), 1U);
    struct stat status {};
    ASSERT_EQ(::stat(files()[0].c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    const auto again = disk();
    EXPECT_EQ(again->blocks(), 1);
    const auto back = again->get(content(1).key());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->bytes, content(1).bytes);
    EXPECT_EQ(back->tokens, content(1).tokens);
    EXPECT_EQ(disk(1 << 20, 8)->blocks(), 0) << "another namespace";
    EXPECT_EQ(again->closest(content(1).parent, count(100, 10)).second, 10);
}

TEST_F(Tiers, ADamagedOrForeignFileIsRemovedAndNeverUsed) {
    disk()->put(content(1));
    disk()->put(content(2));
    disk()->put(content(3));
    const auto paths = files();
    ASSERT_EQ(paths.size(), 3U);
    std::fstream damaged(paths[0], std::ios::in | std::ios::out | std::ios::binary);
    damaged.seekp(-5, std::ios::end);
    damaged.put('!');
    damaged.close();
    fs::resize_file(paths[1], fs::file_size(paths[1]) - 1);
    std::ofstream(paths[0].parent_path() / "notes.txt") << "not a block";
    fs::copy_file(paths[2], paths[2].parent_path() / "00000000000000000000000000000000.kv");
    const auto again = disk();
    EXPECT_EQ(again->blocks(), 2) << "the shortened one, the text and the one under another name are gone";
    int readable = 0;
    for (int number = 1; number <= 3; ++number) readable += again->get(content(number).key()) ? 1 : 0;
    EXPECT_EQ(readable, 1) << "the damaged one was found out by its checksum";
    EXPECT_EQ(files().size(), 1U);
}

TEST_F(Tiers, TheDiskStaysUnderItsBoundOverAllModels) {
    const size_t one = [&] {
        disk(1 << 20, 5)->put(content(1));
        return fs::file_size(files()[0]);
    }();
    {
        const auto tier = disk(3 * one);
        for (int number = 1; number <= 4; ++number) tier->put(content(number));
        EXPECT_EQ(tier->blocks(), 2) << "another model's file counts too";
        EXPECT_TRUE(tier->contains(content(4).key()));
    }
    EXPECT_EQ(files().size(), 3U);
    disk(2 * one);
    EXPECT_EQ(files().size(), 2U);
}

TEST_F(Tiers, AnotherModelsFilesLeaveRoomForThisOne) {
    size_t one = 0;
    {
        const auto other = disk(1 << 20, 5);
        for (int number = 1; number <= 6; ++number) other->put(content(number));
        one = fs::file_size(files()[0]);
    }
    const auto tier = disk(6 * one);
    for (int number = 1; number <= 4; ++number) tier->put(content(number));
    EXPECT_EQ(tier->blocks(), 3) << "half of the bound, though the other had filled it";
    EXPECT_EQ(files().size(), 6U);
}

TEST_F(Tiers, AFolderThatCannotBeMadeKeepsNothingAndBreaksNothing) {
    std::ofstream(root / "cache") << "a file is in the way";
    const auto tier = disk();
    tier->put(content(1));
    EXPECT_EQ(tier->blocks(), 0);
    EXPECT_FALSE(tier->canWrite());
}

TEST_F(Tiers, WhatTheDeviceEvictsComesBackFromTheHostAndFromTheDisk) {
    TierStack tiers(std::make_unique<HostTier>(3 * 256), disk());
    CacheDriver driver({0}, 8, &tiers);
    auto first = driver.begin(1, count(0, 100));
    ASSERT_TRUE(driver.compute(first, 100));
    driver.end(std::move(first));
    ASSERT_TRUE(driver.cache.makeRoom(0, 8)) << "everything is evicted";
    EXPECT_EQ(tiers.host()->blocks(), 3);
    EXPECT_EQ(tiers.disk()->blocks(), 4);
    auto again = driver.begin(1, count(0, 101));
    EXPECT_EQ(again.matched, 100) << "the partly filled tail too";
    EXPECT_EQ(again.held.restoredTokens, 100);
    driver.cache.checkIntegrity();
}

TEST_F(Tiers, NothingIsBroughtBackThatIsFasterToCompute) {
    TierStack tiers(std::make_unique<HostTier>(1 << 20), nullptr);
    CacheDriver driver({0}, 8, &tiers);
    auto first = driver.begin(1, count(0, 64));
    ASSERT_TRUE(driver.compute(first, 64));
    driver.end(std::move(first));
    ASSERT_TRUE(driver.cache.makeRoom(0, 8));
    const auto tokens = count(0, 65);
    (void)driver.cache.match(1, tokens, {1e6});  // measures
    ASSERT_TRUE(driver.cache.makeRoom(0, 8));
    EXPECT_EQ(driver.cache.match(1, tokens, {1e-9}).tokens, 0);
    EXPECT_EQ(driver.cache.match(1, tokens, {1e6}).tokens, 64);
}

TEST_F(Tiers, ForgettingErasesAConversationsBlocksFromEveryTier) {
    TierStack tiers(std::make_unique<HostTier>(2 * 256), disk());
    CacheDriver driver({0}, 8, &tiers);
    for (const int own : {100, 200}) {
        auto live = driver.begin(1, joined(count(0, 32), count(own, 70)));
        ASSERT_TRUE(driver.compute(live, 102));
        driver.end(std::move(live));
    }
    while (driver.cache.saveSome(100)) continue;
    driver.cache.forget(1, joined(count(0, 32), count(100, 75)));
    EXPECT_EQ(driver.begin(1, joined(count(0, 32), count(100, 75))).matched, 32);
    EXPECT_EQ(driver.begin(1, joined(count(0, 32), count(200, 75))).matched, 102);
    driver.cache.forget(1, joined(count(0, 32), count(200, 75)));
    EXPECT_EQ(tiers.host()->blocks(), 0);
    EXPECT_EQ(tiers.disk()->blocks(), 0);
    EXPECT_TRUE(files().empty());
}

TEST_F(Tiers, AGrownTailTakesThePlaceOfItsShorterSelfInTheTiersToo) {
    TierStack tiers(std::make_unique<HostTier>(1 << 20), disk());
    CacheDriver driver({0}, 8, &tiers);
    for (const int length : {20, 25, 31, 40}) {
        auto live = driver.begin(1, count(0, length));
        ASSERT_TRUE(driver.compute(live, length));
        driver.end(std::move(live));
        while (driver.cache.saveSome(100)) continue;
        ASSERT_TRUE(driver.cache.makeRoom(0, 8)) << "everything is evicted";
    }
    EXPECT_EQ(tiers.host()->blocks(), 3) << "two whole blocks and one tail";
    EXPECT_EQ(files().size(), 3U);
    EXPECT_EQ(driver.begin(1, count(0, 41)).matched, 40);
}

TEST_F(Tiers, ClearingErasesEveryNamespaceButNothingThatIsNoBlock) {
    disk(1 << 20, 8)->put(content(1));
    const auto tier = disk();
    tier->put(content(2));
    std::ofstream(root / "cache" / "notes.txt") << "not ours";
    tier->clear();
    EXPECT_EQ(tier->blocks(), 0);
    EXPECT_EQ(tier->bytes(), 0U);
    ASSERT_EQ(files().size(), 1U);
    EXPECT_EQ(files()[0].filename(), "notes.txt");
    tier->put(content(3));
    EXPECT_TRUE(disk()->get(content(3).key())) << "and it goes on";
}

TEST_F(Tiers, ABlocksUnusedRowsAreWrittenAsZeros) {
    CacheDriver driver({0}, 4);
    const auto block = *driver.small.pools[0].allocate();
    for (int row = 0; row < 16; ++row) driver.small.stamp(0, block * 16 + row, 0xAAAAAAAAAAAAAAAAU);
    const auto read =
        readBlock(*driver.small.ops, driver.small.pools, std::vector<int32_t>{block}, {}, count(0, 3));
    for (size_t i = 3 * 8; i < 16 * 8; ++i) ASSERT_EQ(read.bytes[i], std::byte{0}) << "byte " << i;
    EXPECT_EQ(read.bytes[0], std::byte{0xAA});
    driver.small.pools[0].release(block);
}

TEST_F(Tiers, DamagedFilesAreComputedAnewWithTheSameBytes) {
    const TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    options.diskCache = root / "cache";
    GenerateRequest request = EngineDriver::ask("what is the name of the thing?", 60, 0.8F);
    const auto first = EngineDriver(options).run(request);
    request = EngineDriver::next(request, first, "and why?");
    for (const fs::path& path : files()) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-40, std::ios::end);
        file.write("damaged!", 8);
    }
    EngineOptions cold = options;
    cold.diskCache.clear();
    const auto expected = EngineDriver(cold).run(request);
    EngineDriver driver(options);
    const auto second = driver.run(request);
    EXPECT_EQ(second.ids, expected.ids);
    EXPECT_EQ(second.stats.prefillTokens, second.stats.promptTokens) << "nothing of them was used";
}

TEST_F(Tiers, ForgettingReachesWhatAnotherKvTypeLeftOnDisk) {
    const TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    options.diskCache = root / "cache";
    const GenerateRequest request = EngineDriver::ask("a secret", 40, 0.8F);
    EngineOptions exact = options;
    exact.compute = ComputeChoice::Float;
    const auto first = EngineDriver(exact).run(request);
    const GenerateRequest other = EngineDriver::ask("something else", 40, 0.8F);
    EngineDriver(exact).run(other);
    const size_t all = files().size();
    {
        EngineDriver driver(options);
        GenerateRequest gone = request;
        gone.messages.push_back({{"role", "assistant"}, {"content", first.text}});
        gone.generatedIds = {{}, first.ids};
        driver.engine->forget(gone);
        driver.step();
    }
    EXPECT_LT(files().size(), all);
    EngineDriver driver(exact);
    EXPECT_LE(driver.run(request).stats.cachedTokens, 16) << "at most what both began with";
    EXPECT_EQ(driver.run(other).stats.prefillTokens, 1);
}

TEST_F(Tiers, AStoppedReplyIsForgottenToItsLastToken) {
    const TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    options.diskCache = root / "cache";
    {
        EngineDriver driver(options);
        GenerateRequest request = EngineDriver::ask("tell me everything", 200, 0.8F);
        const RequestId id = driver.engine->submit(request);
        for (int i = 0; i < 60; ++i) driver.step();
        driver.engine->cancel(id);
        driver.step();
        const auto& stopped = driver.outcomes[id];
        ASSERT_GT(stopped.ids.size(), 20U);
        request.messages.push_back({{"role", "assistant"}, {"content", "text that encodes otherwise"}});
        request.generatedIds = {{}, stopped.ids};
        driver.engine->forget(request);
        driver.step();
        EXPECT_EQ(driver.engine->stats().kvBlocksUsed, 0);
    }
    EXPECT_TRUE(files().empty());
}

TEST_F(Tiers, AChatThatIsForgottenJustBeforeTheEndIsGone) {
    const TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    options.diskCache = root / "cache";
    GenerateRequest request = EngineDriver::ask("tell me everything", 60, 0.8F);
    {
        EngineDriver driver(options);
        const auto reply = driver.run(request);
        request.messages.push_back({{"role", "assistant"}, {"content", reply.text}});
        request.generatedIds = {{}, reply.ids};
    }
    EXPECT_FALSE(files().empty());
    {
        EngineDriver driver(options);
        driver.engine->forget(request);  // and no step
    }
    EXPECT_TRUE(files().empty());
}

TEST_F(Tiers, ChatsAreWarmAfterARestartAndGoneWhenForgotten) {
    const TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    options.diskCache = root / "cache";
    GenerateRequest request = EngineDriver::ask("what is the name of the thing?", 60, 0.8F);
    EngineDriver::Outcome first;
    {
        EngineDriver driver(options);
        first = driver.run(request);
    }
    request = EngineDriver::next(request, first, "and why?");
    EngineDriver::Outcome second;
    {
        EngineDriver driver(options);
        second = driver.run(request);
        EXPECT_LE(second.stats.prefillTokens,
                  second.stats.promptTokens - (first.stats.promptTokens + first.stats.newTokens) + 16);
        EXPECT_GT(driver.engine->stats().restoredBlocks, 0);
    }
    EngineOptions cold = options;
    cold.diskCache.clear();
    EXPECT_EQ(EngineDriver(cold).run(request).ids, second.ids) << "the same bytes, restored or computed";
    {
        EngineDriver driver(options);
        driver.engine->forget(EngineDriver::next(request, second, ""));
        driver.step();
    }
    EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace engine
