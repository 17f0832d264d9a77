#pragma once

#include <algorithm>

#include "engine/kv/radix_cache.h"

namespace engine {

/// A block of the tree. Private to RadixCache.
struct RadixCache::Node {
    Node* parent = nullptr;
    Node *newer = nullptr, *older = nullptr;  ///< ring of unprotected nodes
    std::array<TokenId, kBlockTokens> ids{};
    std::array<int32_t, kMaxGroups> blocks{-1, -1, -1, -1};
    int count = 0;           ///< tokens, kBlockTokens unless a partly filled leaf
    int depth = 0;           ///< tokens up to its end
    int locks = 0;           ///< PrefixLocks on this very node
    int protectors = 0;      ///< locks, and children with protectors
    uint64_t windowUse = 0;  ///< when it last was within the window before a sequence's end
    uint64_t uploads = 0;    ///< that bring its rows, see Ops::uploadAside; 0: they are there
    bool isSaved = false;    ///< nothing is lost with the program, or was asked to be kept
    BlockKey key;
    std::vector<std::unique_ptr<Node>> children;

    std::span<const TokenId> tokens() const { return {ids.data(), static_cast<size_t>(count)}; }
    bool isWhole() const { return count == kBlockTokens; }
    int commonWith(std::span<const TokenId> other) const {
        const auto mine = tokens();
        return static_cast<int>(std::mismatch(mine.begin(), mine.end(), other.begin(), other.end()).first -
                                mine.begin());
    }
};

/// The nodes from below a root to where a match ended so far.
struct RadixCache::Path {
    std::vector<Node*> nodes;
    Node* end = nullptr;  ///< the last of them, or the root
};

}  // namespace engine
