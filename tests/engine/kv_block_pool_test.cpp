#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/engine/support/small_pool.h"

namespace engine {
namespace {

using testing::SmallPools;

TEST(KvBlockPool, HandsOutEveryBlockOnceAndThenNone) {
    SmallPools small({0}, 5);
    KvBlockPool& pool = small.pools[0];
    std::vector<bool> seen(5, false);
    for (int i = 0; i < 5; ++i) {
        const auto block = pool.allocate();
        ASSERT_TRUE(block);
        EXPECT_FALSE(seen[static_cast<size_t>(*block)]);
        seen[static_cast<size_t>(*block)] = true;
    }
    EXPECT_FALSE(pool.allocate());
    EXPECT_EQ(pool.freeBlocks(), 0);
    EXPECT_EQ(pool.usedBlocks(), 5);
}

TEST(KvBlockPool, FreesABlockWhenItsLastHolderLetsGo) {
    SmallPools small({0}, 2);
    KvBlockPool& pool = small.pools[0];
    const auto block = *pool.allocate();
    pool.retain(block);
    pool.release(block);
    EXPECT_EQ(pool.references(block), 1);
    EXPECT_EQ(pool.freeBlocks(), 1);
    pool.release(block);
    EXPECT_EQ(pool.freeBlocks(), 2);
}

TEST(KvBlockPool, CopiesTheRowsOfEveryLayer) {
    const auto ops = kernels::makeCpuOps({.threads = 1});
    KvBlockPool pool(*ops, {KvGroupKind::Full, {0, 3, 7}, 0, 2, 4, 4, KvType::F32, 16}, 4);
    const size_t bytes = pool.layer(0).blockBytes();
    for (int layer = 0; layer < 3; ++layer)
        for (size_t i = 0; i < 4 * bytes; ++i)
            pool.layer(layer).base[i] = static_cast<std::byte>((i / bytes * 3 + i + size_t(layer) * 7) % 251);
    pool.copyBlock(3, 1);
    for (int layer = 0; layer < 3; ++layer) {
        const std::byte* base = pool.layer(layer).base;
        EXPECT_EQ(std::memcmp(base + 3 * bytes, base + bytes, bytes), 0) << "layer " << layer;
        EXPECT_NE(std::memcmp(base + 2 * bytes, base + bytes, bytes), 0) << "layer " << layer;
    }
}

TEST(KvBlockPoolDeathTest, AbortsWithTheReasonWhenABlockIsReleasedTwice) {
    SmallPools small({0}, 2);
    const auto block = *small.pools[0].allocate();
    small.pools[0].release(block);
    EXPECT_DEATH(small.pools[0].release(block), "released while free");
    EXPECT_DEATH(small.pools[0].retain(block), "retained while free");
    EXPECT_DEATH(small.pools[0].release(99), "no block 99 among 2");
}

TEST(KvBlockPool, AgreesWithANaiveCountOfHoldersOverRandomOperations) {
    SmallPools small({0}, 24);
    KvBlockPool& pool = small.pools[0];
    std::mt19937 random(7);
    std::vector<int32_t> holders;  // one entry a reference
    std::map<int32_t, int> counts;
    for (int i = 0; i < 20000; ++i) {
        const unsigned choice = random() % 3;
        if (choice == 0) {
            const auto block = pool.allocate();
            ASSERT_EQ(block.has_value(), counts.size() < 24);
            if (!block) continue;
            ASSERT_EQ(counts.count(*block), 0U) << "a held block was handed out";
            counts[*block] = 1;
            holders.push_back(*block);
        } else if (!holders.empty()) {
            const size_t at = random() % holders.size();
            const int32_t block = holders[at];
            if (choice == 1) {
                pool.retain(block);
                ++counts[block];
                holders.push_back(block);
            } else {
                pool.release(block);
                if (--counts[block] == 0) counts.erase(block);
                holders[at] = holders.back();
                holders.pop_back();
            }
        }
        ASSERT_EQ(pool.usedBlocks(), static_cast<int>(counts.size()));
        if (i % 500 == 0) {
            pool.checkIntegrity();
            for (int32_t block = 0; block < 24; ++block)
                ASSERT_EQ(pool.references(block), counts.count(block) != 0 ? counts[block] : 0);
        }
    }
}

}  // namespace
}  // namespace engine
