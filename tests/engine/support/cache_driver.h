#pragma once

#include <gtest/gtest.h>

#include "engine/kv/radix_cache.h"
#include "tests/engine/support/small_pool.h"

namespace engine::testing {

/// What a row must hold: a hash of its namespace and of every token up to its own.
inline uint64_t stampOf(uint64_t space, std::span<const TokenId> tokens) {
    BlockKey key = BlockKey::ofNamespace(space);
    for (const TokenId token : tokens) key = key.child({&token, 1});
    return key.low;
}

/// Sequences by hand: computes (stamps) what a match did not bring, and checks what it did.
class CacheDriver {
  public:
    explicit CacheDriver(const std::vector<int>& windows = {0}, int blocks = 64, BlockTier* tier = nullptr)
        : small(windows, blocks), cache(*small.ops, small.pools, tier) {}

    struct Live {
        uint64_t space = 0;
        std::vector<TokenId> tokens;
        int computed = 0, matched = 0;
        RadixCache::Match held;
    };

    Live begin(uint64_t space, std::vector<TokenId> tokens) {
        Live live{space, std::move(tokens), 0, 0, {}};
        live.held = cache.match(space, live.tokens);
        live.computed = live.matched = live.held.tokens;
        EXPECT_LT(live.matched, static_cast<int>(live.tokens.size()));
        expectRows(live);
        return live;
    }

    /// False when the pool has no room, even after evicting.
    bool compute(Live& live, int count) {
        const int end = std::min(live.computed + count, static_cast<int>(live.tokens.size()));
        for (size_t g = 0; g < small.pools.size(); ++g) {
            BlockTable& table = live.held.tables[g];
            cache.makeRoom(g, table.blocksNeeded(end, live.computed));
            if (!table.reserve(end, live.computed)) return false;
        }
        for (; live.computed < end; ++live.computed)
            for (size_t g = 0; g < small.pools.size(); ++g)
                small.stamp(g, live.held.tables[g].slot(live.computed), rowOf(live, live.computed));
        extend(live, false);
        for (size_t g = 0; g < small.pools.size(); ++g)
            if (const int window = small.pools[g].layout().window; window > 0)
                live.held.tables[g].releaseBefore(live.computed - window + 1);
        return true;
    }

    void extend(Live& live, bool withTail) {
        cache.extend(live.held.lock, std::span(live.tokens).first(static_cast<size_t>(live.computed)),
                     live.held.tables, withTail);
    }

    uint64_t rowOf(const Live& live, int token) const {
        return stampOf(live.space, std::span(live.tokens).first(static_cast<size_t>(token) + 1));
    }

    /// Every row that the next token's attention reads is this conversation's own.
    void expectRows(const Live& live) {
        for (size_t g = 0; g < small.pools.size(); ++g) {
            const int window = small.pools[g].layout().window;
            const int first = window > 0 ? std::max(0, live.computed - window + 1) : 0;
            for (int token = first; token < live.computed; ++token) {
                const int32_t block = live.held.tables[g].blocks()[static_cast<size_t>(token / 16)];
                ASSERT_GE(block, 0) << "group " << g << " lacks token " << token << " of " << live.computed;
                ASSERT_EQ(small.stampAt(g, live.held.tables[g].slot(token)), rowOf(live, token))
                    << "group " << g << ", token " << token;
            }
        }
    }

    void end(Live live) { extend(live, true); }

    SmallPools small;
    RadixCache cache;
};

inline std::vector<TokenId> count(int from, int tokens) {
    std::vector<TokenId> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back(from + i);
    return ids;
}

inline std::vector<TokenId> joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace engine::testing
