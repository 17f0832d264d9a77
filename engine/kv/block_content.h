#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/kv/block_key.h"
#include "engine/kv/host_bytes.h"
#include "engine/kv/kv_block_pool.h"

namespace engine {

/// One block of every KV group that holds it, on the host: what a tier keeps.
struct BlockContent {
    BlockKey parent;
    std::vector<TokenId> tokens;  ///< 1 to blockTokens of them
    uint32_t groups = 0;          ///< bit g: group g's rows are in `bytes`
    HostBytes bytes;              ///< the groups' blocks in order, layer by layer

    BlockKey key() const { return parent.child(tokens); }
};

/// Where the bytes of a block are put that comes from the device or from a file.
using HostMemory = std::function<HostBytes(size_t)>;

/// Copies `blocks` (one of each group, negative: not held) to the host. Rows without a token come out as
/// zeros: a block's unused rows hold whatever was there before.
BlockContent readBlock(kernels::Ops& ops, std::span<const KvBlockPool> pools, std::span<const int32_t> blocks,
                       const BlockKey& parent, std::span<const TokenId> tokens,
                       const HostMemory& memory = {});
/// Begins the way back; see Ops::uploadAside for when it is done. `blocks` has a block for each group of
/// `content.groups`.
uint64_t writeBlock(kernels::Ops& ops, std::span<const KvBlockPool> pools, std::span<const int32_t> blocks,
                    const BlockContent& content);
/// Bytes that a block of these groups takes.
size_t contentBytes(std::span<const KvBlockPool> pools, uint32_t groups);

/// What computing a token anew costs, in microseconds: the deeper in a sequence the more.
struct RecomputeCost {
    double token = 1e9, perDepth = 0.0;
    double of(int first, int count) const { return count * (token + perDepth * (first + 0.5 * count)); }
};

/// Somewhere to keep blocks that the device has no room for, and to find them again by what they continue.
/// Engine thread only.
class BlockTier {
  public:
    virtual ~BlockTier() = default;

    /// Whether `put` would keep this block, which the device is about to lose.
    virtual bool wants(const BlockKey& key) const = 0;
    virtual void put(BlockContent content) = 0;
    /// Whether the block would be lost at the end of the program, and a place that outlasts it has room.
    virtual bool needsSaving(const BlockKey& key) const = 0;
    virtual void save(const BlockContent& content) = 0;

    /// A block after `parent`, of `depth` tokens, that begins with as many of `tokens` as any kept one does
    /// (at least one), if bringing it back costs less than computing these. Nothing when there is none.
    virtual std::optional<BlockContent> find(const BlockKey& parent, int depth,
                                             std::span<const TokenId> tokens,
                                             const RecomputeCost& recompute) = 0;
    /// What putting a found block on the device took.
    virtual void noteUpload(size_t bytes, double micros) = 0;
    /// Memory for a block that is to be put or saved.
    virtual HostBytes memory(size_t bytes) = 0;
    /// Forgets the block and erases its bytes.
    virtual void erase(const BlockKey& key) = 0;
    /// Erases everything, other namespaces' blocks too.
    virtual void clear() = 0;

    struct Child {
        BlockKey key;
        std::vector<TokenId> tokens;
        int commonWith(std::span<const TokenId> other) const;
    };
    /// The kept blocks that continue `parent`.
    virtual std::vector<Child> children(const BlockKey& parent) const = 0;
};

}  // namespace engine
