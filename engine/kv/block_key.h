#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Names a block by everything its KV depends on: its namespace and all tokens up to its end. A chain of
/// 128-bit XXH3 hashes: a block's key is the hash of its parent's key and its own tokens.
struct BlockKey {
    uint64_t high = 0, low = 0;
    friend bool operator==(const BlockKey& a, const BlockKey& b) = default;

    static BlockKey ofNamespace(uint64_t space);
    static BlockKey ofText(std::string_view text);
    BlockKey child(std::span<const TokenId> tokens) const;
};

struct BlockKeyHash {
    size_t operator()(const BlockKey& key) const { return static_cast<size_t>(key.low); }
};

}  // namespace engine
