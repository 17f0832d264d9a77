#include "engine/kv/block_table.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "tests/engine/support/small_pool.h"

namespace engine {
namespace {

using testing::SmallPools;

TEST(BlockTable, TakesBlocksOnDemandAndGivesThemBack) {
    SmallPools small({0}, 8);
    {
        BlockTable table(small.pools[0]);
        EXPECT_EQ(table.blocksNeeded(17, 0), 2);
        ASSERT_TRUE(table.reserve(17, 0));
        EXPECT_EQ(table.blocks().size(), 2U);
        EXPECT_EQ(table.blocksNeeded(32, 17), 0);
        EXPECT_EQ(table.slot(16), table.blocks()[1] * 16);
        EXPECT_EQ(small.pools[0].usedBlocks(), 2);
    }
    EXPECT_EQ(small.pools[0].usedBlocks(), 0);
}

TEST(BlockTable, CopiesASharedBlockBeforeItIsWrittenAndOnlyThat) {
    SmallPools small({0}, 8);
    BlockTable table(small.pools[0]);
    ASSERT_TRUE(table.reserve(20, 0));
    small.stamp(0, table.slot(3), 33);
    small.stamp(0, table.slot(18), 1818);
    const int32_t first = table.blocks()[0], second = table.blocks()[1];
    small.pools[0].retain(first);
    small.pools[0].retain(second);
    EXPECT_EQ(table.blocksNeeded(21, 20), 1);
    ASSERT_TRUE(table.reserve(21, 20));
    EXPECT_EQ(table.blocks()[0], first) << "a block that is not written stays shared";
    EXPECT_NE(table.blocks()[1], second);
    EXPECT_EQ(small.stampAt(0, table.slot(18)), 1818U) << "the copy has the rows";
    EXPECT_EQ(small.pools[0].references(second), 1);
    small.pools[0].release(first);
    small.pools[0].release(second);
}

TEST(BlockTable, KeepsWhatItTookWhenThePoolRunsOut) {
    SmallPools small({0}, 2);
    BlockTable table(small.pools[0]);
    EXPECT_FALSE(table.reserve(40, 0));
    EXPECT_EQ(table.blocks().size(), 2U);
    EXPECT_TRUE(table.reserve(32, 0));
    table.clear();
    EXPECT_EQ(small.pools[0].freeBlocks(), 2);
}

TEST(BlockTable, TruncatesToWholeBlocksAndReleasesWhatNoWindowReaches) {
    SmallPools small({32}, 8);
    BlockTable table(small.pools[0]);
    ASSERT_TRUE(table.reserve(80, 0));
    table.releaseBefore(33);
    EXPECT_EQ(table.blocks()[0], BlockTable::kReleased);
    EXPECT_EQ(table.blocks()[1], BlockTable::kReleased);
    EXPECT_NE(table.blocks()[2], BlockTable::kReleased);
    EXPECT_EQ(small.pools[0].usedBlocks(), 3);
    table.truncate(49);
    EXPECT_EQ(table.blocks().size(), 4U);
    EXPECT_EQ(small.pools[0].usedBlocks(), 2);
    table.truncate(16);
    EXPECT_EQ(small.pools[0].usedBlocks(), 0) << "released entries are not released again";
}

/// Random tables that fork (share their blocks), grow, are cut and slide, against vectors of row values.
TEST(BlockTable, ShowsEachSequenceItsOwnRowsOverRandomOperations) {
    constexpr int kTables = 6, kBlocks = 48;
    SmallPools small({0}, kBlocks);
    KvBlockPool& pool = small.pools[0];
    std::mt19937 random(11);
    struct Model {
        std::optional<BlockTable> table;
        std::vector<uint64_t> rows;
        int firstKept = 0;
    };
    std::vector<Model> models(kTables);
    for (Model& model : models) model.table.emplace(pool);
    uint64_t nextStamp = 1;
    for (int operation = 0; operation < 20000; ++operation) {
        Model& model = models[random() % kTables];
        const int length = static_cast<int>(model.rows.size());
        switch (random() % 6) {
            case 0:
            case 1: {  // write some rows
                const int count = 1 + static_cast<int>(random() % 20);
                const int needed = model.table->blocksNeeded(length + count, length);
                const bool room = needed <= pool.freeBlocks();
                ASSERT_EQ(model.table->reserve(length + count, length), room);
                if (!room) {
                    model.table->truncate(length);
                    break;
                }
                for (int token = length; token < length + count; ++token) {
                    small.stamp(0, model.table->slot(token), nextStamp);
                    model.rows.push_back(nextStamp++);
                }
                break;
            }
            case 2: {  // reject some
                const int keep = std::max(model.firstKept, length - static_cast<int>(random() % 24));
                model.rows.resize(static_cast<size_t>(std::max(0, std::min(keep, length))));
                model.table->truncate(static_cast<int>(model.rows.size()));
                break;
            }
            case 3: {  // a window moves on
                const int token = length > 0 ? static_cast<int>(random() % static_cast<unsigned>(length)) : 0;
                model.table->releaseBefore(token);
                model.firstKept = std::max(model.firstKept, token / 16 * 16);
                break;
            }
            case 4:  // end
                model.table->clear();
                model.rows.clear();
                model.firstKept = 0;
                break;
            default: {  // fork: another table takes over the same blocks
                Model& other = models[random() % kTables];
                if (&other == &model || model.firstKept > 0) break;
                std::vector<int32_t> shared(model.table->blocks().begin(), model.table->blocks().end());
                for (const int32_t block : shared) pool.retain(block);
                other.table.emplace(BlockTable(pool, std::move(shared)));
                other.rows = model.rows;
                other.firstKept = 0;
            }
        }
        if (operation % 50 != 0) continue;
        pool.checkIntegrity();
        std::vector<bool> held(kBlocks, false);
        for (const Model& each : models) {
            for (size_t token = static_cast<size_t>(each.firstKept); token < each.rows.size(); ++token)
                ASSERT_EQ(small.stampAt(0, each.table->slot(static_cast<int>(token))), each.rows[token]);
            for (const int32_t block : each.table->blocks())
                if (block != BlockTable::kReleased) held[static_cast<size_t>(block)] = true;
        }
        ASSERT_EQ(pool.usedBlocks(), std::count(held.begin(), held.end(), true)) << "a block was lost";
    }
}

}  // namespace
}  // namespace engine
