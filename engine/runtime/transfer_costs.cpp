#include "engine/runtime/transfer_costs.h"

#include <algorithm>
#include <chrono>

#include "engine/durations.h"
#include "engine/kv/block_table.h"

namespace engine {

TierCosts measureTransfers(kernels::Ops& ops, std::span<KvBlockPool> pools, TierStack& tiers) {
    TierCosts costs;
    std::vector<BlockTable> held;
    std::vector<int32_t> blocks;
    for (KvBlockPool& pool : pools) {
        if (!held.emplace_back(pool).reserve(pool.layout().blockTokens, 0)) return costs;
        blocks.push_back(held.back().blocks().front());
    }
    BlockContent content;
    for (size_t g = 0; g < pools.size(); ++g) content.groups |= 1U << g;
    content.bytes = tiers.memory(contentBytes(pools, content.groups));
    if (content.bytes.size() == 0) return costs;
    std::fill_n(content.bytes.data(), content.bytes.size(), std::byte{0});
    const auto bytes = static_cast<double>(content.bytes.size());
    double best = 0.0;
    for (int count = 0; count < 3; ++count) {  // the first one warms up
        ops.synchronize();
        const auto start = std::chrono::steady_clock::now();
        writeBlock(ops, pools, blocks, content);
        ops.awaitUploads();
        ops.synchronize();
        const double micros = inMicros(std::chrono::steady_clock::now() - start);
        best = count == 0 ? micros : std::min(best, micros);
    }
    costs.upload = best / bytes;
    // Of the size that files have, but not so small that opening one is all that is seen.
    if (tiers.disk() != nullptr)
        costs.read = tiers.disk()->measureReading(std::max<size_t>(content.bytes.size(), 256U << 10));
    return costs;
}

}  // namespace engine
