#include "engine/kv/host_tier.h"

#include <algorithm>
#include <utility>

namespace engine {

BlockContent HostTier::take(Order::iterator entry) {
    entries_.erase(entry->key());
    const auto [first, last] = byParent_.equal_range(entry->parent);
    byParent_.erase(std::find_if(first, last, [&](const auto& item) { return item.second == entry; }));
    bytes_ -= entry->bytes.size();
    BlockContent content = std::move(*entry);
    order_.erase(entry);
    return content;
}

BlockContent HostTier::takeOldest() {
    return take(order_.begin());
}

std::vector<BlockContent> HostTier::put(BlockContent content) {
    erase(content.key());
    bytes_ += content.bytes.size();
    order_.push_back(std::move(content));
    const auto entry = std::prev(order_.end());
    entries_.emplace(entry->key(), entry);
    byParent_.emplace(entry->parent, entry);
    std::vector<BlockContent> gone;
    while (bytes_ > capacity_) gone.push_back(takeOldest());
    return gone;
}

std::pair<BlockKey, int> HostTier::closest(const BlockKey& parent, std::span<const TokenId> tokens) const {
    std::pair<BlockKey, int> best{{}, 0};
    const auto range = byParent_.equal_range(parent);
    for (auto item = range.first; item != range.second; ++item) {
        const auto& own = item->second->tokens;
        const auto common = static_cast<int>(
            std::mismatch(own.begin(), own.end(), tokens.begin(), tokens.end()).first - own.begin());
        if (common > best.second) best = {item->second->key(), common};
    }
    return best;
}

const BlockContent* HostTier::peek(const BlockKey& key) const {
    const auto found = entries_.find(key);
    return found != entries_.end() ? &*found->second : nullptr;
}

const BlockContent& HostTier::get(const BlockKey& key) {
    const auto entry = entries_.at(key);
    order_.splice(order_.end(), order_, entry);
    return *entry;
}

void HostTier::erase(const BlockKey& key) {
    if (const auto found = entries_.find(key); found != entries_.end()) take(found->second);
}

void HostTier::clear() {
    byParent_.clear();
    entries_.clear();
    order_.clear();
    bytes_ = 0;
}

void HostTier::children(const BlockKey& parent, std::vector<BlockTier::Child>& out) const {
    const auto range = byParent_.equal_range(parent);
    for (auto item = range.first; item != range.second; ++item)
        out.push_back({item->second->key(), item->second->tokens});
}

}  // namespace engine
