#include "engine/kv/radix_cache.h"

#include <algorithm>
#include <chrono>

#include "engine/durations.h"
#include "engine/kv/radix_node.h"

namespace engine {

RadixCache::RadixCache(kernels::Ops& ops, std::span<KvBlockPool> pools, BlockTier* tier)
    : ops_(ops), pools_(pools), tier_(tier), lru_(std::make_unique<Node>()) {
    lru_->newer = lru_->older = lru_.get();
}

RadixCache::~RadixCache() {
    if (!underway_.empty()) awaitUploads();
    while (evictable_ > 0) remove(*lru_->newer);
}

RadixCache::PrefixLock::PrefixLock(RadixCache& cache, Node& node) : cache_(&cache), node_(&node) {
    ++node.locks;
    cache.protect(node);
}

RadixCache::PrefixLock::~PrefixLock() {
    if (node_ == nullptr) return;
    --node_->locks;
    cache_->unprotect(*node_);
}

int RadixCache::PrefixLock::tokens() const {
    return node_ != nullptr ? node_->depth : 0;
}

RadixCache::Node& RadixCache::root(uint64_t space) {
    auto& node = roots_[space];
    if (node == nullptr) {
        node = std::make_unique<Node>();
        node->key = BlockKey::ofNamespace(space);
    }
    return *node;
}

// --- order and protection: the ring goes from the most recent node (older of the sentinel) to the least ----

void RadixCache::unlink(Node& node) {
    if (node.newer == nullptr) return;
    node.newer->older = node.older;
    node.older->newer = node.newer;
    node.newer = node.older = nullptr;
    --evictable_;
}

/// Makes an unprotected node the most recent.
void RadixCache::touch(Node& node) {
    if (node.protectors > 0 || node.parent == nullptr) return;
    unlink(node);
    node.newer = lru_.get();
    node.older = lru_->older;
    node.older->newer = &node;
    lru_->older = &node;
    ++evictable_;
}

void RadixCache::protect(Node& node) {
    for (Node* at = &node; at != nullptr; at = at->parent) {
        if (at->protectors++ > 0) return;
        unlink(*at);
    }
}

void RadixCache::unprotect(Node& node) {
    for (Node* at = &node; at != nullptr; at = at->parent) {
        if (--at->protectors > 0) return;
        touch(*at);
    }
}

// --- finding ----------------------------------------------------------------------------------------------

RadixCache::Node* RadixCache::childWith(const Node& node, std::span<const TokenId> tokens) const {
    for (const auto& child : node.children)
        if (child->count == static_cast<int>(tokens.size()) && std::ranges::equal(child->tokens(), tokens))
            return child.get();
    return nullptr;
}

std::pair<RadixCache::Node*, int> RadixCache::closestChild(const Node& node,
                                                           std::span<const TokenId> tokens) const {
    std::pair<Node*, int> best{nullptr, 0};
    for (const auto& child : node.children)
        if (const int common = child->commonWith(tokens); common > best.second) best = {child.get(), common};
    return best;
}

RadixCache::Peek RadixCache::peek(uint64_t space, std::span<const TokenId> tokens) const {
    Peek peek;
    const auto found = roots_.find(space);
    const Node* at = found != roots_.end() ? found->second.get() : nullptr;
    while (at != nullptr && peek.tokens + kBlockTokens < static_cast<int>(tokens.size())) {
        at = childWith(*at, tokens.subspan(static_cast<size_t>(peek.tokens), kBlockTokens));
        if (at == nullptr) break;
        peek.tokens += kBlockTokens;
        peek.protectedBlocks += at->protectors > 0 ? 1 : 0;
    }
    return peek;
}

/// Whether every window group holds what the token after `tokens` needs, of which `blocks` are whole.
bool RadixCache::hasWindow(const Path& path, int blocks, int tokens) const {
    for (size_t g = 0; g < pools_.size(); ++g) {
        const int window = pools_[g].layout().window;
        if (window == 0) continue;
        const int first = std::max(0, tokens - window + 1) / kBlockTokens;
        for (int b = first; b < blocks; ++b)
            if (path.nodes[static_cast<size_t>(b)]->blocks[g] < 0) return false;
    }
    return true;
}

int RadixCache::usableBlocks(const Path& path) const {
    int blocks = static_cast<int>(path.nodes.size());
    while (blocks > 0 && !hasWindow(path, blocks, blocks * kBlockTokens)) --blocks;
    return blocks;
}

// --- what a tier brings back is copied beside the steps of others
// --------------------------------------------

void RadixCache::awaitUploads() {
    ops_.awaitUploads();
    ops_.synchronize();
    underway_.clear();
}

void RadixCache::letGo(uint64_t uploads) {
    if (!isThere(uploads)) ops_.awaitUploads();
}

bool RadixCache::isThere(Node& node) {
    if (node.uploads != 0 && ops_.isThere(node.uploads)) node.uploads = 0;
    return node.uploads == 0;
}

/// From here on the device may read and write the node's blocks.
void RadixCache::settle(Node& node) {
    if (!isThere(node)) ops_.awaitUploads();
}

void RadixCache::upload(const BlockContent& content, std::span<const int32_t> blocks, Node& node) {
    const auto start = std::chrono::steady_clock::now();
    node.uploads = writeBlock(ops_, pools_, blocks, content);
    while (!underway_.empty() && ops_.isThere(underway_.front().first)) underway_.pop_front();
    if (node.uploads != 0)
        underway_.emplace_back(node.uploads, content.bytes);
    else
        tier_->noteUpload(content.bytes.size(), inMicros(std::chrono::steady_clock::now() - start));
}

/// Goes on where the device's tree ended, with blocks from the tier.
void RadixCache::restore(Path& path, std::span<const TokenId> tokens, const RecomputeCost& recompute,
                         Match& match) {
    while (tier_ != nullptr) {
        const size_t at = path.nodes.size() * kBlockTokens;
        if (at >= tokens.size()) return;
        const auto rest = tokens.subspan(at, std::min<size_t>(kBlockTokens, tokens.size() - at));
        const int here = closestChild(*path.end, rest).second;
        const auto content = tier_->find(path.end->key, path.end->depth, rest, recompute);
        if (!content || content->groups == 0 ||
            content->bytes.size() != contentBytes(pools_, content->groups))
            return;
        const int common =
            static_cast<int>(std::ranges::mismatch(content->tokens, rest).in1 - content->tokens.begin());
        if (common <= here || childWith(*path.end, content->tokens) != nullptr) return;
        std::array<int32_t, kMaxGroups> blocks{-1, -1, -1, -1};
        bool isComplete = true;
        for (size_t g = 0; g < pools_.size() && isComplete; ++g) {
            if ((content->groups >> g & 1U) == 0) {
                isComplete = pools_[g].layout().window > 0;  // only a window group may lack its rows
                continue;
            }
            isComplete = makeRoom(g, 1);
            if (isComplete) blocks[g] = *pools_[g].allocate();
        }
        if (isComplete) {
            Node& node = addChild(*path.end, content->tokens, {blocks.data(), pools_.size()});
            upload(*content, {blocks.data(), pools_.size()}, node);
            node.windowUse = ++clock_;
            ++stats_.restored;
            touch(node);
            match.restoredTokens += common;
            if (node.isWhole() && common == kBlockTokens) {
                path.nodes.push_back(&node);
                path.end = &node;
                match.lock = PrefixLock(*this, node);
            }
        }
        for (size_t g = 0; g < pools_.size(); ++g)
            if (blocks[g] >= 0) pools_[g].release(blocks[g]);  // the node has its own reference
        if (!isComplete || common < kBlockTokens) return;
    }
}

RadixCache::Match RadixCache::match(uint64_t space, std::span<const TokenId> tokens,
                                    const RecomputeCost& recompute) {
    const auto limit = tokens.first(tokens.empty() ? 0 : tokens.size() - 1);
    Match match;
    Path path;
    path.end = &root(space);
    while ((path.nodes.size() + 1) * kBlockTokens <= limit.size()) {
        Node* child = childWith(*path.end, limit.subspan(path.nodes.size() * kBlockTokens, kBlockTokens));
        if (child == nullptr) break;
        path.nodes.push_back(child);
        path.end = child;
    }
    match.lock = PrefixLock(*this, *path.end);
    restore(path, limit, recompute, match);

    const int blocks = usableBlocks(path);
    path.nodes.resize(static_cast<size_t>(blocks));
    path.end = blocks > 0 ? path.nodes.back() : &root(space);
    match.lock = PrefixLock(*this, *path.end);
    match.tokens = blocks * kBlockTokens;
    for (Node* node : path.nodes)
        if (!isThere(*node)) match.uploads = std::max(match.uploads, node->uploads);
    ++clock_;
    for (size_t g = 0; g < pools_.size(); ++g) {
        const int window = pools_[g].layout().window;
        const int first = window > 0 ? std::max(0, match.tokens - window + 1) / kBlockTokens : 0;
        std::vector<int32_t> held(static_cast<size_t>(blocks), BlockTable::kReleased);
        for (int b = first; b < blocks; ++b) {
            Node& node = *path.nodes[static_cast<size_t>(b)];
            held[static_cast<size_t>(b)] = node.blocks[g];
            pools_[g].retain(node.blocks[g]);
            if (window > 0) node.windowUse = clock_;
        }
        match.tables.emplace_back(pools_[g], std::move(held));
    }
    const auto [child, common] = closestChild(*path.end, limit.subspan(static_cast<size_t>(match.tokens)));
    if (common > 0 && !takeOver(match, *child, common)) copyRows(match, *child, common);
    return match;
}

/// Extends a match by a partly filled block that nobody else uses: what is appended to it, the tree gets
/// back.
bool RadixCache::takeOver(Match& match, Node& from, int tokens) {
    const bool isOwn = !from.isWhole() && tokens == from.count && from.protectors == 0;
    for (size_t g = 0; g < pools_.size(); ++g)
        if (!isOwn || from.blocks[g] < 0) return false;
    for (size_t g = 0; g < pools_.size(); ++g) {
        pools_[g].retain(from.blocks[g]);
        match.tables[g].append(from.blocks[g]);
    }
    match.tokens += tokens;
    if (!isThere(from)) match.uploads = std::max(match.uploads, std::exchange(from.uploads, 0));
    remove(from);
    return true;
}

/// Extends a match by the first `tokens` rows of a block: a copy, because the sequence writes after them.
void RadixCache::copyRows(Match& match, Node& from, int tokens) {
    for (size_t g = 0; g < pools_.size(); ++g)
        if (from.blocks[g] < 0) return;
    const PrefixLock hold(*this, from);
    std::array<int32_t, kMaxGroups> copies{-1, -1, -1, -1};
    bool isComplete = true;
    for (size_t g = 0; g < pools_.size() && isComplete; ++g) {
        isComplete = makeRoom(g, 1) && from.blocks[g] >= 0;
        if (isComplete) copies[g] = *pools_[g].allocate();
    }
    if (isComplete) settle(from);
    for (size_t g = 0; g < pools_.size(); ++g) {
        if (isComplete) {
            pools_[g].copyBlock(copies[g], from.blocks[g]);
            match.tables[g].append(copies[g]);
        } else if (copies[g] >= 0) {
            pools_[g].release(copies[g]);
        }
    }
    if (isComplete) match.tokens += tokens;
}

}  // namespace engine
