#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kv/kv_block_pool.h"

namespace engine {

/// The blocks of one sequence in one layout group: entry b holds tokens [b * blockTokens, (b + 1) *
/// blockTokens), or kReleased once no window reaches it. Owns one reference to each block; gives them back
/// when destroyed. Blocks are taken on demand, never in advance. Engine thread only; must not outlive the
/// pool.
class BlockTable {
  public:
    static constexpr int32_t kReleased = -1;

    explicit BlockTable(KvBlockPool& pool) : pool_(&pool) {}
    /// Takes over one reference to each of `blocks` (a matched prefix); leading entries may be kReleased.
    BlockTable(KvBlockPool& pool, std::vector<int32_t> blocks);
    BlockTable(BlockTable&& other) noexcept;
    BlockTable& operator=(BlockTable&& other) noexcept;
    ~BlockTable() { clear(); }

    /// Makes room for tokens [0, tokens), all writable from `firstWritten` on: a shared block that would be
    /// written is copied first. False when the pool has too few free blocks; what was taken stays.
    bool reserve(int tokens, int firstWritten);
    /// Blocks that reserve would take.
    int blocksNeeded(int tokens, int firstWritten) const;
    /// Gives back blocks that only hold tokens from `tokens` on (a rejected draft, a cut context).
    void truncate(int tokens);
    /// Gives back blocks that only hold tokens before `token` (a window moved on).
    void releaseBefore(int token);
    void clear() { truncate(0); }
    /// Takes over one reference to `block` as the next entry.
    void append(int32_t block) { blocks_.push_back(block); }
    /// Holds `block`, which has the same rows, in place of an entry's own; a released entry stays released.
    void adopt(int entry, int32_t block);

    /// Where a token's rows go: block * blockTokens + offset.
    int32_t slot(int token) const;
    std::span<const int32_t> blocks() const { return blocks_; }
    int heldBlocks() const { return static_cast<int>(blocks_.size()) - firstHeld_; }
    int blockTokens() const { return pool_->layout().blockTokens; }

  private:
    int entriesFor(int tokens) const { return (tokens + blockTokens() - 1) / blockTokens(); }
    bool isShared(int entry) const;
    KvBlockPool* pool_;
    std::vector<int32_t> blocks_;
    int firstHeld_ = 0;  ///< entries before it are released
};

}  // namespace engine
