#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Byte-pair encoding of one word: joins neighbours, the pair learned first before the others and the
/// leftmost of equals, until no known pair is left. O(n log n) for a word of n symbols. Immutable once
/// filled: any thread.
///
/// Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units (2016).
class PairMerger {
  public:
    void reserve(size_t pairs) { merges_.reserve(pairs); }

    /// Learns that `left right` join into `joined`. The first rank given to a pair stays; ranks are not
    /// negative.
    void add(TokenId left, TokenId right, TokenId joined, uint32_t rank);

    /// Appends what `symbols` merge into. Symbols of -1 never merge and are left out.
    void merge(const std::vector<TokenId>& symbols, std::vector<TokenId>& out) const;

  private:
    struct Merge {
        uint32_t rank;
        TokenId joined;
    };
    struct PairHash {
        size_t operator()(uint64_t pair) const;
    };

    static uint64_t pairOf(TokenId left, TokenId right) {
        return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
    }

    std::unordered_map<uint64_t, Merge, PairHash> merges_;
};

}  // namespace engine
