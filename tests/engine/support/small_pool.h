#pragma once

#include <cstring>
#include <vector>

#include "engine/kv/kv_block_pool.h"
#include "kernels/cpu/cpu_ops.h"

namespace engine::testing {

/// Pools of a few bytes a token (one layer, one head of four half values) for tests of what moves blocks
/// about. A token's row can be stamped with a number and read back, so that a test sees whose row it is.
struct SmallPools {
    explicit SmallPools(const std::vector<int>& windows = {0}, int blocks = 64)
        : ops(kernels::makeCpuOps({.threads = 1})) {
        pools.reserve(windows.size());
        for (const int window : windows)
            pools.emplace_back(*ops,
                               KvGroupLayout{window > 0 ? KvGroupKind::Window : KvGroupKind::Full,
                                             {0},
                                             window,
                                             1,
                                             4,
                                             4,
                                             KvType::F16,
                                             16},
                               blocks);
    }

    /// The key row of a slot (block * 16 + offset) of one group.
    std::byte* row(size_t group, int32_t slot) {
        const kernels::KvLayer layer = pools[group].layer(0);
        return layer.base + static_cast<size_t>(slot / 16) * layer.blockBytes() +
               static_cast<size_t>(slot % 16) * layer.keyRowBytes();
    }
    void stamp(size_t group, int32_t slot, uint64_t value) { std::memcpy(row(group, slot), &value, 8); }
    uint64_t stampAt(size_t group, int32_t slot) {
        uint64_t value = 0;
        std::memcpy(&value, row(group, slot), 8);
        return value;
    }

    std::unique_ptr<kernels::Ops> ops;
    std::vector<KvBlockPool> pools;
};

}  // namespace engine::testing
