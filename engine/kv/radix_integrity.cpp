#include <fmt/format.h>

#include <cstdlib>

#include "engine/kv/radix_node.h"

/// RadixCache: what must hold between two calls.
namespace engine {
namespace {

void expect(bool holds, const char* what, int depth) {
    if (holds) return;
    fmt::print(stderr, "RadixCache: {} at a block that ends at token {}\n", what, depth);
    std::abort();
}

}  // namespace

void RadixCache::checkNode(const Node& node, int& unprotected, int& nodes, int64_t& tokens) const {
    int protectors = node.locks;
    for (const auto& child : node.children) {
        protectors += child->protectors > 0 ? 1 : 0;
        expect(child->parent == &node, "a parent that is another's", child->depth);
        expect(child->depth == node.depth + child->count, "a wrong depth", child->depth);
        expect(child->count > 0 && child->count <= kBlockTokens, "a wrong number of tokens", child->depth);
        expect(child->isWhole() || child->children.empty(), "a partly filled block that goes on",
               child->depth);
        expect(child->key == node.key.child(child->tokens()), "a key of other tokens", child->depth);
        expect(child->protectors > 0 || child->newer != nullptr, "an unlocked block that is not in the order",
               child->depth);
        for (size_t g = 0; g < pools_.size(); ++g) {
            if (child->blocks[g] >= 0)
                expect(pools_[g].references(child->blocks[g]) > 0, "a free block in the tree", child->depth);
            else
                expect(pools_[g].layout().window > 0, "a block without its rows", child->depth);
        }
        for (const auto& other : node.children)
            expect(&other == &child || other->count != child->count ||
                       other->commonWith(child->tokens()) < child->count,
                   "a block that is there twice", child->depth);
        ++nodes;
        tokens += child->count;
        unprotected += child->protectors == 0 ? 1 : 0;
    }
    expect(protectors == node.protectors, "a wrong count of locks", node.depth);
}

void RadixCache::checkIntegrity() const {
    int unprotected = 0, nodes = 0;
    int64_t tokens = 0;
    std::vector<const Node*> stack;
    for (const auto& [space, node] : roots_) stack.push_back(node.get());
    while (!stack.empty()) {
        const Node* node = stack.back();
        stack.pop_back();
        checkNode(*node, unprotected, nodes, tokens);
        for (const auto& child : node->children) stack.push_back(child.get());
    }
    expect(nodes == stats_.nodes && tokens == stats_.tokens, "wrong totals", 0);
    expect(unprotected == evictable_, "a wrong count of evictable blocks", 0);
    // Along the ring from the oldest, no block may come before one that continues it.
    std::unordered_map<const Node*, int> order;
    int at = 0;
    for (const Node* node = lru_->newer; node != lru_.get(); node = node->newer) order[node] = ++at;
    expect(at == evictable_, "a ring of another length", 0);
    for (const auto& [node, place] : order)
        expect(order.count(node->parent) == 0 || order[node->parent] > place,
               "a block that is older than what continues it", node->depth);
}

}  // namespace engine
