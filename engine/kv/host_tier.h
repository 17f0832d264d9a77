#pragma once

#include <list>
#include <unordered_map>

#include "engine/kv/block_content.h"

namespace engine {

/// Blocks in host memory, at most `capacityBytes` of them; the least recently used one is given up first and
/// comes back from `put`. Engine thread only.
class HostTier {
  public:
    explicit HostTier(size_t capacityBytes) : capacity_(capacityBytes) {}

    bool contains(const BlockKey& key) const { return entries_.count(key) != 0; }
    /// Keeps a block. Returns those that had to go, maybe the block itself.
    std::vector<BlockContent> put(BlockContent content);
    /// The child of `parent` that begins with most of `tokens`, and with how many (0: none).
    std::pair<BlockKey, int> closest(const BlockKey& parent, std::span<const TokenId> tokens) const;
    /// A block, null if it is not kept; no use of it.
    const BlockContent* peek(const BlockKey& key) const;
    /// A kept block; counts as a use.
    const BlockContent& get(const BlockKey& key);
    void erase(const BlockKey& key);
    void clear();
    void children(const BlockKey& parent, std::vector<BlockTier::Child>& out) const;
    /// Takes out the least recently used block. Precondition: there is one.
    BlockContent takeOldest();

    size_t bytes() const { return bytes_; }
    int blocks() const { return static_cast<int>(entries_.size()); }

  private:
    using Order = std::list<BlockContent>;  // the least recently used first
    BlockContent take(Order::iterator entry);

    size_t capacity_, bytes_ = 0;
    Order order_;
    std::unordered_map<BlockKey, Order::iterator, BlockKeyHash> entries_;
    std::unordered_multimap<BlockKey, Order::iterator, BlockKeyHash> byParent_;
};

}  // namespace engine
