#include "engine/kv/block_content.h"

#include <algorithm>
#include <cstring>

namespace engine {
namespace {

/// Calls `visit(device address, bytes)` for each layer of each held group.
template <class Visit>
void forEachLayer(std::span<const KvBlockPool> pools, std::span<const int32_t> blocks, uint32_t groups,
                  Visit&& visit) {
    for (size_t g = 0; g < pools.size(); ++g) {
        if ((groups >> g & 1U) == 0) continue;
        for (int index = 0; index < static_cast<int>(pools[g].layout().layers.size()); ++index) {
            const kernels::KvLayer layer = pools[g].layer(index);
            visit(layer, layer.base + static_cast<size_t>(blocks[g]) * layer.blockBytes());
        }
    }
}

void clearRows(std::byte* block, const kernels::KvLayer& layer, size_t used) {
    const auto heads = static_cast<size_t>(layer.numKvHeads), all = static_cast<size_t>(layer.blockTokens);
    for (const size_t rowBytes : {layer.keyRowBytes(), layer.valueRowBytes()}) {
        for (size_t head = 0; head < heads; ++head)
            std::memset(block + (head * all + used) * rowBytes, 0, (all - used) * rowBytes);
        block += heads * all * rowBytes;
    }
}

}  // namespace

int BlockTier::Child::commonWith(std::span<const TokenId> other) const {
    return static_cast<int>(std::mismatch(tokens.begin(), tokens.end(), other.begin(), other.end()).first -
                            tokens.begin());
}

size_t contentBytes(std::span<const KvBlockPool> pools, uint32_t groups) {
    size_t bytes = 0;
    for (size_t g = 0; g < pools.size(); ++g)
        if ((groups >> g & 1U) != 0) bytes += pools[g].layout().bytesPerBlock();
    return bytes;
}

BlockContent readBlock(kernels::Ops& ops, std::span<const KvBlockPool> pools, std::span<const int32_t> blocks,
                       const BlockKey& parent, std::span<const TokenId> tokens, const HostMemory& memory) {
    BlockContent content{parent, {tokens.begin(), tokens.end()}, 0, {}};
    for (size_t g = 0; g < pools.size(); ++g)
        if (blocks[g] >= 0) content.groups |= 1U << g;
    const size_t bytes = contentBytes(pools, content.groups);
    content.bytes = memory ? memory(bytes) : HostBytes(bytes);
    std::vector<kernels::HostCopy> copies;
    std::byte* to = content.bytes.data();
    forEachLayer(pools, blocks, content.groups, [&](const kernels::KvLayer& layer, std::byte* from) {
        copies.push_back({from, to, layer.blockBytes()});
        to += layer.blockBytes();
    });
    ops.downloadAll(copies);
    to = content.bytes.data();
    forEachLayer(pools, blocks, content.groups, [&](const kernels::KvLayer& layer, std::byte*) {
        clearRows(to, layer, tokens.size());
        to += layer.blockBytes();
    });
    return content;
}

uint64_t writeBlock(kernels::Ops& ops, std::span<const KvBlockPool> pools, std::span<const int32_t> blocks,
                    const BlockContent& content) {
    std::vector<kernels::HostCopy> copies;
    std::byte* from = content.bytes.data();
    forEachLayer(pools, blocks, content.groups, [&](const kernels::KvLayer& layer, std::byte* to) {
        copies.push_back({to, from, layer.blockBytes()});
        from += layer.blockBytes();
    });
    return ops.uploadAside(copies);
}

}  // namespace engine
