#include <algorithm>

#include "engine/kv/radix_node.h"

/// RadixCache: taking blocks in, and letting them go.
namespace engine {

RadixCache::Node& RadixCache::addChild(Node& parent, std::span<const TokenId> tokens,
                                       std::span<const int32_t> blocks) {
    Node& node = *parent.children.emplace_back(std::make_unique<Node>());
    node.parent = &parent;
    node.count = static_cast<int>(tokens.size());
    node.depth = parent.depth + node.count;
    node.key = parent.key.child(tokens);
    node.windowUse = clock_;
    std::ranges::copy(tokens, node.ids.begin());
    for (size_t g = 0; g < pools_.size(); ++g) {
        if (blocks[g] < 0) continue;
        node.blocks[g] = blocks[g];
        pools_[g].retain(blocks[g]);
    }
    ++stats_.nodes;
    stats_.tokens += node.count;
    supersede(parent, node);
    // The parent has to stay the more recent of the two.
    touch(node);
    for (Node* at = &parent; at != nullptr && at->protectors == 0; at = at->parent) touch(*at);
    return node;
}

/// Drops partly filled blocks that another one now begins with.
void RadixCache::supersede(Node& parent, const Node& by) {
    for (size_t i = parent.children.size(); i-- > 0;) {
        Node& child = *parent.children[i];
        if (&child != &by && !child.isWhole() && child.protectors == 0 && child.count <= by.count &&
            child.commonWith(by.tokens()) == child.count) {
            remove(child);
        }
    }
    if (tier_ == nullptr) return;
    for (const BlockTier::Child& child : tier_->children(parent.key))
        if (static_cast<int>(child.tokens.size()) < std::min(by.count + 1, kBlockTokens) &&
            child.commonWith(by.tokens()) == static_cast<int>(child.tokens.size()) && !(child.key == by.key))
            tier_->erase(child.key);
}

void RadixCache::extend(PrefixLock& lock, std::span<const TokenId> tokens, std::span<BlockTable> tables,
                        bool withTail) {
    Node* at = lock.node_;
    ++clock_;
    while (at->depth < static_cast<int>(tokens.size())) {
        const auto rest = tokens.subspan(static_cast<size_t>(at->depth));
        const auto ids = rest.first(std::min<size_t>(kBlockTokens, rest.size()));
        const bool isWhole = ids.size() == kBlockTokens;
        if (!isWhole && !withTail) break;
        const int entry = at->depth / kBlockTokens;
        if (!isWhole && closestChild(*at, ids).second == static_cast<int>(ids.size())) break;
        std::array<int32_t, kMaxGroups> blocks{-1, -1, -1, -1};
        for (size_t g = 0; g < pools_.size(); ++g) blocks[g] = tables[g].blocks()[static_cast<size_t>(entry)];
        Node* child = childWith(*at, ids);
        if (child == nullptr) {
            child = &addChild(*at, ids, {blocks.data(), pools_.size()});
        } else {
            child->windowUse = clock_;
            for (size_t g = 0; g < pools_.size(); ++g) {
                if (child->blocks[g] >= 0) {
                    tables[g].adopt(entry, child->blocks[g]);
                } else if (blocks[g] >= 0) {
                    child->blocks[g] = blocks[g];
                    child->isSaved = false;
                    pools_[g].retain(blocks[g]);
                }
            }
        }
        if (!isWhole) break;
        at = child;
    }
    if (at != lock.node_) lock = PrefixLock(*this, *at);
}

void RadixCache::remove(Node& leaf) {
    unlink(leaf);
    settle(leaf);
    for (size_t g = 0; g < pools_.size(); ++g)
        if (leaf.blocks[g] >= 0) pools_[g].release(leaf.blocks[g]);
    --stats_.nodes;
    stats_.tokens -= leaf.count;
    auto& siblings = leaf.parent->children;
    const auto at = std::ranges::find(siblings, &leaf, &std::unique_ptr<Node>::get);
    std::swap(*at, siblings.back());
    siblings.pop_back();
}

BlockContent RadixCache::contentOf(Node& node) {
    settle(node);
    return readBlock(ops_, pools_, {node.blocks.data(), pools_.size()}, node.parent->key, node.tokens(),
                     [this](size_t bytes) { return tier_->memory(bytes); });
}

void RadixCache::evict(Node& leaf) {
    if (tier_ != nullptr && tier_->wants(leaf.key)) tier_->put(contentOf(leaf));
    ++stats_.evictions;
    remove(leaf);
}

/// Takes a window group's rows from nodes that longest were not within a window; the nodes stay.
bool RadixCache::dropWindows(size_t group, int blocks) {
    std::vector<Node*> holders, stack;
    for (const auto& [space, node] : roots_) stack.push_back(node.get());
    while (!stack.empty()) {
        Node* node = stack.back();
        stack.pop_back();
        for (const auto& child : node->children) stack.push_back(child.get());
        if (node->blocks[group] >= 0 && pools_[group].references(node->blocks[group]) == 1)
            holders.push_back(node);
    }
    std::ranges::sort(holders, [](const Node* a, const Node* b) {
        return a->windowUse != b->windowUse ? a->windowUse < b->windowUse : a->depth < b->depth;
    });
    // A few more than asked, so that the walk over the tree is not made for each block.
    const int spare = std::max(1, pools_[group].totalBlocks() / 32);
    for (Node* node : holders) {
        if (pools_[group].freeBlocks() >= blocks + spare) break;
        settle(*node);
        pools_[group].release(node->blocks[group]);
        node->blocks[group] = -1;
        ++stats_.evictions;
    }
    return pools_[group].freeBlocks() >= blocks;
}

bool RadixCache::makeRoom(size_t group, int blocks) {
    KvBlockPool& pool = pools_[group];
    if (pool.freeBlocks() >= blocks) return true;
    if (pool.layout().window > 0) return dropWindows(group, blocks);
    while (pool.freeBlocks() < blocks && evictable_ > 0) evict(*lru_->newer);
    return pool.freeBlocks() >= blocks;
}

int RadixCache::evictable(size_t group) const {
    if (pools_[group].layout().window == 0) return evictable_;
    int count = 0;
    std::vector<const Node*> stack;
    for (const auto& [space, node] : roots_) stack.push_back(node.get());
    while (!stack.empty()) {
        const Node* node = stack.back();
        stack.pop_back();
        for (const auto& child : node->children) stack.push_back(child.get());
        if (node->blocks[group] >= 0 && pools_[group].references(node->blocks[group]) == 1) ++count;
    }
    return count;
}

void RadixCache::clear() {
    while (evictable_ > 0) remove(*lru_->newer);
    if (tier_ == nullptr) return;
    tier_->clear();
    // What is left is held by sequences: its copies are gone from the tier.
    std::vector<Node*> stack;
    for (const auto& [space, node] : roots_) stack.push_back(node.get());
    while (!stack.empty()) {
        Node* node = stack.back();
        stack.pop_back();
        node->isSaved = false;
        for (const auto& child : node->children) stack.push_back(child.get());
    }
}

bool RadixCache::saveSome(int blocks) {
    if (tier_ == nullptr) return false;
    int saved = 0;
    // From the most recent on: what was just said is what a restart would miss.
    for (Node* node = lru_->older; node != lru_.get() && saved < blocks; node = node->older) {
        if (node->isSaved) continue;
        node->isSaved = true;
        if (!tier_->needsSaving(node->key)) continue;
        tier_->save(contentOf(*node));
        ++saved;
    }
    return saved > 0;
}

void RadixCache::forget(uint64_t space, std::span<const TokenId> tokens) {
    std::vector<Node*> path{&root(space)};
    std::vector<BlockKey> keys{path.front()->key};
    for (size_t at = 0; at < tokens.size(); at += kBlockTokens) {
        const auto ids = tokens.subspan(at, std::min<size_t>(kBlockTokens, tokens.size() - at));
        const auto isOwn = [&](std::span<const TokenId> other) {
            const size_t common = std::min(other.size(), ids.size());
            return std::ranges::equal(other.first(common), ids.first(common));
        };
        // Partly filled blocks of it, and whole ones that go on after the last known token.
        if (tier_ != nullptr)
            for (const BlockTier::Child& child : tier_->children(keys.back()))
                if (isOwn(child.tokens) &&
                    (child.tokens.size() < kBlockTokens || ids.size() < kBlockTokens) &&
                    tier_->children(child.key).empty())
                    tier_->erase(child.key);
        if (path.back() != nullptr)
            for (size_t i = path.back()->children.size(); i-- > 0;) {
                Node& child = *path.back()->children[i];
                if (isOwn(child.tokens()) && (!child.isWhole() || ids.size() < kBlockTokens) &&
                    child.children.empty() && child.protectors == 0)
                    remove(child);
            }
        if (ids.size() < kBlockTokens) break;
        keys.push_back(keys.back().child(ids));
        path.push_back(path.back() != nullptr ? childWith(*path.back(), ids) : nullptr);
    }
    // From the end to the first block that another conversation goes through.
    for (size_t i = keys.size(); i-- > 1;) {
        if (tier_ != nullptr && !tier_->children(keys[i]).empty()) return;
        if (Node* node = path[i]; node != nullptr) {
            if (!node->children.empty() || node->protectors > 0) return;
            remove(*node);
        }
        if (tier_ != nullptr) tier_->erase(keys[i]);
    }
}

}  // namespace engine
