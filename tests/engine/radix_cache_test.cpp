#include "engine/kv/radix_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <unordered_set>

#include "engine/kv/tier_stack.h"
#include "tests/engine/support/cache_driver.h"

namespace engine {
namespace {

using testing::CacheDriver;
using testing::count;
using testing::joined;

TEST(RadixCache, FindsWhatWasComputedButNeverTheLastToken) {
    CacheDriver driver;
    auto first = driver.begin(1, count(0, 40));
    EXPECT_EQ(first.matched, 0);
    ASSERT_TRUE(driver.compute(first, 40));
    driver.end(std::move(first));
    EXPECT_EQ(driver.begin(1, count(0, 40)).matched, 39);
    EXPECT_EQ(driver.begin(1, count(0, 41)).matched, 40) << "the partly filled tail too";
    EXPECT_EQ(driver.begin(1, count(0, 33)).matched, 32);
    EXPECT_EQ(driver.begin(1, count(0, 32)).matched, 31) << "the common rows of a whole block are copied";
    EXPECT_EQ(driver.begin(1, count(0, 1)).matched, 0);
    driver.cache.checkIntegrity();
}

TEST(RadixCache, BranchesShareTheirCommonPrefixAndCopyTheBlockWhereTheyPart) {
    CacheDriver driver;
    auto first = driver.begin(1, joined(count(0, 20), count(100, 30)));
    ASSERT_TRUE(driver.compute(first, 50));
    driver.end(std::move(first));
    auto second = driver.begin(1, joined(count(0, 20), count(200, 30)));
    EXPECT_EQ(second.matched, 20);
    ASSERT_TRUE(driver.compute(second, 50));
    driver.end(std::move(second));
    for (const int own : {100, 200}) {
        auto again = driver.begin(1, joined(count(0, 20), count(own, 31)));
        EXPECT_EQ(again.matched, 50);
        driver.end(std::move(again));
    }
    EXPECT_EQ(driver.small.pools[0].usedBlocks(), 1 + 3 + 3) << "one block is shared";
}

TEST(RadixCache, NamespacesNeverSeeOneAnother) {
    CacheDriver driver;
    auto first = driver.begin(1, count(0, 64));
    ASSERT_TRUE(driver.compute(first, 64));
    driver.end(std::move(first));
    EXPECT_EQ(driver.begin(2, count(0, 64)).matched, 0);
    EXPECT_EQ(driver.begin(1, count(0, 65)).matched, 64);
}

TEST(RadixCache, SequencesThatComputeTheSameAtOnceEndUpWithOneCopy) {
    CacheDriver driver;
    auto a = driver.begin(1, count(0, 48)), b = driver.begin(1, count(0, 48));
    ASSERT_TRUE(driver.compute(a, 40));
    ASSERT_TRUE(driver.compute(b, 40));
    EXPECT_EQ(driver.small.pools[0].usedBlocks(), 2 + 2) << "two shared blocks and a tail each";
    driver.expectRows(b);
    EXPECT_EQ(driver.begin(1, count(0, 48)).matched, 32) << "a chunked prompt can be used before it is done";
}

TEST(RadixCache, EvictsTheLeastRecentlyUsedLeafAndNothingThatIsLocked) {
    CacheDriver driver({0}, 6);
    auto old = driver.begin(1, count(0, 32));
    ASSERT_TRUE(driver.compute(old, 32));
    driver.end(std::move(old));
    auto recent = driver.begin(1, count(1000, 32));
    ASSERT_TRUE(driver.compute(recent, 32));
    driver.end(std::move(recent));
    auto locked = driver.begin(1, count(0, 17));  // the old one's first block
    EXPECT_EQ(locked.matched, 16);
    EXPECT_EQ(driver.cache.evictable(0), 3);
    EXPECT_TRUE(driver.cache.makeRoom(0, 4));
    EXPECT_EQ(driver.cache.peek(1, count(1000, 33)).tokens, 16)
        << "its second block was older than its first";
    EXPECT_FALSE(driver.cache.makeRoom(0, 6));
    EXPECT_EQ(driver.cache.peek(1, count(0, 33)).tokens, 16);
    driver.cache.checkIntegrity();
}

TEST(RadixCache, ALongerTailTakesThePlaceOfAShorterOne) {
    CacheDriver driver;
    auto first = driver.begin(1, count(0, 20));
    ASSERT_TRUE(driver.compute(first, 20));
    driver.end(std::move(first));
    auto second = driver.begin(1, count(0, 30));
    ASSERT_TRUE(driver.compute(second, 30));
    driver.end(std::move(second));
    EXPECT_EQ(driver.cache.stats().nodes, 2);
    EXPECT_EQ(driver.small.pools[0].usedBlocks(), 2);
}

TEST(RadixCache, AContinuationTakesOverATailThatNobodyElseUses) {
    CacheDriver driver;
    auto first = driver.begin(1, count(0, 20));
    ASSERT_TRUE(driver.compute(first, 20));
    driver.end(std::move(first));
    auto next = driver.begin(1, count(0, 40));
    EXPECT_EQ(next.matched, 20);
    EXPECT_EQ(driver.small.pools[0].usedBlocks(), 2) << "nothing was copied";
    EXPECT_EQ(driver.cache.stats().nodes, 1) << "the tail is the sequence's until it gives it back";
    driver.cache.checkIntegrity();
    driver.end(std::move(next));
    EXPECT_EQ(driver.begin(1, count(0, 25)).matched, 20);
    driver.cache.checkIntegrity();
}

TEST(RadixCache, ABranchInsideATailLeavesItWhereItIs) {
    CacheDriver driver;
    auto first = driver.begin(1, count(0, 26));
    ASSERT_TRUE(driver.compute(first, 26));
    driver.end(std::move(first));
    auto branch = driver.begin(1, joined(count(0, 20), count(500, 8)));
    EXPECT_EQ(branch.matched, 20);
    EXPECT_EQ(driver.begin(1, count(0, 27)).matched, 26);
    driver.cache.checkIntegrity();
}

TEST(RadixCache, ClearingLeavesOnlyWhatSequencesHold) {
    CacheDriver driver;
    for (const uint64_t space : {1U, 2U}) {
        auto live = driver.begin(space, count(0, 40));
        ASSERT_TRUE(driver.compute(live, 40));
        driver.end(std::move(live));
    }
    auto running = driver.begin(1, count(0, 60));
    driver.cache.clear();
    EXPECT_EQ(driver.begin(2, count(0, 60)).matched, 0);
    ASSERT_TRUE(driver.compute(running, 60));
    driver.expectRows(running);
    driver.cache.checkIntegrity();
}

TEST(RadixCache, AMatchEndsWhereAWindowGroupStillHoldsWhatTheNextTokenNeeds) {
    CacheDriver driver({0, 32}, 64);
    auto first = driver.begin(1, count(0, 160));
    ASSERT_TRUE(driver.compute(first, 160));
    driver.end(std::move(first));
    EXPECT_EQ(driver.begin(1, count(0, 161)).matched, 160);
    EXPECT_EQ(driver.begin(1, count(0, 97)).matched, 96) << "with room, nothing of the window is dropped";
    // Rows that longest were in nobody's window go first: not those of the two ends.
    const int used = driver.small.pools[1].usedBlocks();
    ASSERT_TRUE(driver.cache.makeRoom(1, 64 - used + 2));
    EXPECT_EQ(driver.begin(1, count(0, 161)).matched, 160);
    ASSERT_TRUE(driver.cache.makeRoom(1, 62));
    auto again = driver.begin(1, count(0, 161));
    EXPECT_EQ(again.matched, 0) << "what a window lacks is not missed: the match ends before";
    ASSERT_TRUE(driver.compute(again, 161));
    driver.expectRows(again);
    driver.end(std::move(again));
    EXPECT_EQ(driver.begin(1, count(0, 162)).matched, 161) << "the rows came back with the recomputing";
    driver.cache.checkIntegrity();
}

TEST(RadixCache, ForgettingErasesWhatOnlyThatConversationUsed) {
    CacheDriver driver;
    for (const int own : {100, 200}) {
        auto live = driver.begin(1, joined(count(0, 32), count(own, 40)));
        ASSERT_TRUE(driver.compute(live, 72));
        driver.end(std::move(live));
    }
    driver.cache.forget(1, joined(count(0, 32), count(100, 45)));
    EXPECT_EQ(driver.begin(1, joined(count(0, 32), count(100, 45))).matched, 32);
    EXPECT_EQ(driver.begin(1, joined(count(0, 32), count(200, 45))).matched, 72);
    driver.cache.forget(1, joined(count(0, 32), count(200, 40)));
    EXPECT_EQ(driver.small.pools[0].usedBlocks(), 0);
    driver.cache.checkIntegrity();
}

/// Random conversations in three namespaces that begin, grow in chunks, end, are cancelled, branch and are
/// forgotten, in pools far too small for them, against a map of every prefix that was ever computed: a match
/// is never longer than what was computed, its rows are its own, and no block is lost or held twice.
void runRandomly(std::vector<int> windows, int operations, unsigned seed, BlockTier* tier = nullptr) {
    constexpr int kBlocks = 96;
    const bool hasWindows = std::ranges::any_of(windows, [](int window) { return window > 0; });
    CacheDriver driver(windows, kBlocks, tier);
    std::mt19937 random(seed);
    std::vector<CacheDriver::Live> live;
    std::unordered_set<uint64_t> computed;  // what the last row of each computed whole block holds
    std::vector<std::pair<uint64_t, std::vector<TokenId>>> texts;
    int matches = 0;
    const auto grown = [&](std::vector<TokenId> base) {
        // Few different tokens, so that prefixes coincide by chance too.
        for (unsigned i = 0; i < 1 + random() % 40; ++i) base.push_back(static_cast<TokenId>(random() % 2));
        return base;
    };
    for (int operation = 1; operation <= operations; ++operation) {
        switch (random() % 8) {
            case 0:
            case 1: {
                if (live.size() >= 5) break;
                const uint64_t space = 1 + random() % 3;
                std::vector<TokenId> base;
                if (!texts.empty() && random() % 4 != 0) {
                    base = texts[random() % texts.size()].second;
                    base.resize(random() % (base.size() + 1));
                    if (base.size() > 300) base.clear();
                }
                auto begun = driver.begin(space, grown(std::move(base)));
                const int whole = begun.matched / 16 * 16;
                const bool isKnown = whole == 0 || computed.contains(driver.rowOf(begun, whole - 1));
                ASSERT_TRUE(isKnown) << "a prefix that nobody computed";
                matches += begun.matched > 0 ? 1 : 0;
                live.push_back(std::move(begun));
                break;
            }
            case 2:
            case 3:
            case 4: {
                if (live.empty()) break;
                auto& one = live[random() % live.size()];
                const int before = one.computed / 16 * 16;
                if (!driver.compute(one, 1 + static_cast<int>(random() % 24))) break;
                for (int end = (before + 16) / 16 * 16; end <= one.computed; end += 16)
                    computed.insert(driver.rowOf(one, end - 1));
                break;
            }
            case 5:
            case 6: {  // end or be preempted (the tail is kept), or be cancelled without a trace
                if (live.empty()) break;
                const size_t at = random() % live.size();
                texts.emplace_back(live[at].space, live[at].tokens);
                if (random() % 4 != 0) {
                    const auto space = live[at].space;
                    auto tokens = live[at].tokens;
                    tokens.resize(static_cast<size_t>(live[at].computed));
                    driver.end(std::move(live[at]));
                    live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
                    if (texts.size() > 40) texts.erase(texts.begin());
                    if (hasWindows || tokens.empty()) break;
                    // All of it is found, unless the tail would have to be copied and nothing is free.
                    const bool hasRoom =
                        driver.small.pools[0].freeBlocks() > 0 || driver.cache.evictable(0) > 0;
                    const int all = static_cast<int>(tokens.size());
                    tokens.push_back(9);
                    auto again = driver.begin(space, std::move(tokens));
                    ASSERT_GE(again.matched, hasRoom ? all : all / 16 * 16) << "what was computed is lost";
                    driver.end(std::move(again));
                    break;
                }
                if (texts.size() > 40) texts.erase(texts.begin());
                live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
                break;
            }
            default:
                if (random() % 8 == 0 && !texts.empty()) {
                    const auto& [space, tokens] = texts[random() % texts.size()];
                    driver.cache.forget(space, tokens);
                } else {
                    const size_t group = random() % driver.small.pools.size();
                    driver.cache.makeRoom(group, 1 + static_cast<int>(random() % 8));
                }
        }
        if (operation % 1000 != 0) continue;
        driver.cache.checkIntegrity();
        for (KvBlockPool& pool : driver.small.pools) pool.checkIntegrity();
        for (const auto& one : live) driver.expectRows(one);
        for (size_t g = 0; g < driver.small.pools.size(); ++g) {
            int tables = 0;
            for (const auto& one : live) tables += one.held.tables[g].heldBlocks();
            ASSERT_LE(driver.small.pools[g].usedBlocks(), driver.cache.stats().nodes + tables);
        }
    }
    EXPECT_GT(matches, operations / 100) << "the test meets what it is for";
    EXPECT_GT(driver.cache.stats().evictions, operations / 100);
    live.clear();
    for (size_t g = 0; g < driver.small.pools.size(); ++g)
        if (driver.small.pools[g].layout().window == 0) {
            EXPECT_TRUE(driver.cache.makeRoom(g, kBlocks));
        }
    for (KvBlockPool& pool : driver.small.pools) EXPECT_EQ(pool.usedBlocks(), 0) << "a block was lost";
}

/// ALCOVE_CACHE_OPERATIONS=10000000 for a longer run.
int operations(int otherwise) {
    const char* asked = std::getenv("ALCOVE_CACHE_OPERATIONS");
    return asked != nullptr ? std::atoi(asked) : otherwise;
}

TEST(RadixCache, AgreesWithANaiveMapOverRandomOperations) {
    runRandomly({0}, operations(1'000'000), 17);
}
TEST(RadixCache, AgreesWithANaiveMapWhenSomeLayersHaveWindows) {
    runRandomly({0, 48}, operations(1'000'000), 18);
}

TEST(RadixCache, AgreesWithANaiveMapWhenBlocksMoveBetweenTiers) {
    TierStack tiers(std::make_unique<HostTier>(100 * 256), nullptr);
    runRandomly({0}, operations(1'000'000), 19, &tiers);
    EXPECT_GT(tiers.host()->blocks(), 0);
}

}  // namespace
}  // namespace engine
