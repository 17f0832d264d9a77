#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/kv/block_content.h"
#include "engine/kv/block_table.h"

namespace engine {

/// Keeps the KV of token prefixes so that no token is computed twice while there is room ("SGLang: Efficient
/// Execution of Structured Language Model Programs", Zheng et al. 2024, RadixAttention).
///
/// A tree whose nodes are blocks: a node holds one block of every KV group and its up to 16 tokens; a path
/// from a namespace's root spells a prefix. Nodes being blocks, nothing is ever split; only leaves may be
/// partly filled, and a match inside one block copies the common rows. A namespace is everything besides the
/// tokens that KV depends on (model, KV type, kind of computation).
///
/// A window group's block may be gone from a node: a match ends where every group still holds what the next
/// token needs. Without locks, the least recently used leaf is evicted first; a node is always at least as
/// recent as what continues it. Engine thread only.
class RadixCache {
  public:
    struct Node;
    static constexpr int kBlockTokens = 16, kMaxGroups = 4;

    /// `tier` (may be null) gets what is evicted and is asked for what is not here.
    RadixCache(kernels::Ops& ops, std::span<KvBlockPool> pools, BlockTier* tier = nullptr);
    ~RadixCache();
    RadixCache(const RadixCache&) = delete;
    RadixCache& operator=(const RadixCache&) = delete;

    /// Keeps a node and all before it from being evicted. Must not outlive the cache.
    class PrefixLock {
      public:
        PrefixLock() = default;
        PrefixLock(RadixCache& cache, Node& node);
        PrefixLock(PrefixLock&& other) noexcept { swap(other); }
        PrefixLock& operator=(PrefixLock&& other) noexcept {
            swap(other);
            return *this;
        }
        ~PrefixLock();
        bool isHeld() const { return node_ != nullptr; }
        int tokens() const;  ///< of the locked prefix

      private:
        friend class RadixCache;
        void swap(PrefixLock& other) noexcept {
            std::swap(cache_, other.cache_);
            std::swap(node_, other.node_);
        }
        RadixCache* cache_ = nullptr;
        Node* node_ = nullptr;
    };

    struct Match {
        int tokens = 0;                  ///< of the prefix whose KV the tables hold
        int restoredTokens = 0;          ///< of these, how many came back from a tier
        uint64_t uploads = 0;            ///< the rows may be used once isThere(it)
        std::vector<BlockTable> tables;  ///< one for each group
        PrefixLock lock;                 ///< on the whole blocks of the prefix
    };
    /// The longest usable prefix of `tokens`, never all of them: the last token's logits are needed. A partly
    /// filled last block that nobody else uses leaves the tree and is the sequence's: extend gives it back.
    /// `recompute` is what to weigh a tier against.
    Match match(uint64_t space, std::span<const TokenId> tokens, const RecomputeCost& recompute = {});
    /// Whether the rows of a match are on the device: what a tier brings back is copied while others run.
    bool isThere(uint64_t uploads) { return uploads == 0 || ops_.isThere(uploads); }
    /// The rows of a match are given up: from here on its blocks may be used for something else.
    void letGo(uint64_t uploads);
    /// Waits for everything that is being brought back.
    void awaitUploads();

    struct Peek {
        int tokens = 0;           ///< whole blocks' tokens found on the device
        int protectedBlocks = 0;  ///< of these blocks, how many cannot be evicted anyway
    };
    /// What match would find on the device in whole blocks, without touching anything.
    Peek peek(uint64_t space, std::span<const TokenId> tokens) const;

    /// Takes in the blocks of a sequence whose first tokens are `lock`ed, as far as `tokens` go: whole
    /// blocks, and with `withTail` the partly filled last one. Where the tree has a block already, the table
    /// adopts it and its own is free. The lock moves on to the last whole block.
    void extend(PrefixLock& lock, std::span<const TokenId> tokens, std::span<BlockTable> tables,
                bool withTail);

    /// Evicts until `pools[group]` has `blocks` free; false if that cannot be.
    bool makeRoom(size_t group, int blocks);
    /// Blocks of a group that makeRoom could free.
    int evictable(size_t group) const;

    /// Erases what only this conversation uses, here and in the tier.
    void forget(uint64_t space, std::span<const TokenId> tokens);
    /// Erases everything that no sequence holds, here and in the tier.
    void clear();
    /// Puts up to `blocks` blocks that the tier lacks into it, the longest unused last; false when it had
    /// all.
    bool saveSome(int blocks);

    struct Stats {
        int nodes = 0;          ///< blocks of the tree, counted once for all groups
        int64_t tokens = 0;     ///< that they hold
        int64_t evictions = 0;  ///< blocks
        int64_t restored = 0;   ///< blocks that came back from a tier
    };
    const Stats& stats() const { return stats_; }

    /// Aborts with the reason when counts, order, locks or references contradict one another.
    void checkIntegrity() const;

  private:
    struct Path;
    Node& root(uint64_t space);
    Node* childWith(const Node& node, std::span<const TokenId> tokens) const;
    std::pair<Node*, int> closestChild(const Node& node, std::span<const TokenId> tokens) const;
    Node& addChild(Node& parent, std::span<const TokenId> tokens, std::span<const int32_t> blocks);
    void supersede(Node& parent, const Node& by);
    void restore(Path& path, std::span<const TokenId> tokens, const RecomputeCost& recompute, Match& match);
    void upload(const BlockContent& content, std::span<const int32_t> blocks, Node& node);
    bool isThere(Node& node);
    void settle(Node& node);
    int usableBlocks(const Path& path) const;
    bool hasWindow(const Path& path, int blocks, int tokens) const;
    bool takeOver(Match& match, Node& from, int tokens);
    void copyRows(Match& match, Node& from, int tokens);
    void touch(Node& node);
    void unlink(Node& node);
    void protect(Node& node);
    void unprotect(Node& node);
    void evict(Node& leaf);
    void remove(Node& leaf);
    bool dropWindows(size_t group, int blocks);
    BlockContent contentOf(Node& node);
    void checkNode(const Node& node, int& unprotected, int& nodes, int64_t& tokens) const;

    kernels::Ops& ops_;
    std::span<KvBlockPool> pools_;
    BlockTier* tier_;
    std::unordered_map<uint64_t, std::unique_ptr<Node>> roots_;
    std::unique_ptr<Node> lru_;  ///< sentinel of the ring of unprotected nodes; next is the most recent
    int evictable_ = 0;          ///< nodes in the ring
    uint64_t clock_ = 0;
    /// Bytes on their way to the device, by their number.
    std::deque<std::pair<uint64_t, HostBytes>> underway_;
    Stats stats_;
};

using PrefixLock = RadixCache::PrefixLock;

}  // namespace engine
