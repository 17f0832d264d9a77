#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Where in a growing text the end of another text was seen before: the idea of prompt lookup (Saxena 2023),
/// with an index in place of a search. Every n-gram of 2 to 12 tokens is hashed to where it last ended, so
/// appending a token and looking one up both take a fixed number of table accesses. One thread.
class NgramIndex {
  public:
    static constexpr int kShortest = 3, kLongest = 12;
    static constexpr int kLongestCounted = 32;  ///< how far back Match::length is followed

    /// The place after the most recent earlier occurrence of the longest known suffix.
    struct Match {
        int next = -1;   ///< tokens()[next] came next there; -1: no suffix of kShortest tokens is known
        int length = 0;  ///< tokens that agree before it, kLongestCounted at most
    };

    void append(std::span<const TokenId> tokens);
    /// What follows is another text: no n-gram reaches across.
    void separate() { textStart_ = tokens_.size(); }
    /// Only occurrences that already have a token after them count, so the end of the indexed text itself is
    /// never its own match.
    Match find(std::span<const TokenId> text) const;
    /// Whether find may know a suffix of `text` and one more token, whatever that is.
    bool mayFindNext(std::span<const TokenId> text) const;
    /// The tokens from `next` on, `most` at most, not beyond the text they stand in.
    std::span<const TokenId> continuation(int next, int most) const;

    std::span<const TokenId> tokens() const { return tokens_; }

  private:
    struct Slot {
        uint64_t hash = 0;
        int32_t next = -1;
    };
    void put(uint64_t hash, int32_t next);
    int32_t lookUp(uint64_t hash) const;
    void grow();

    std::vector<TokenId> tokens_;
    std::vector<uint32_t> ends_;  ///< [texts before the open one] where each ends
    size_t textStart_ = 0;        ///< of the open text
    std::vector<Slot> slots_;     ///< open addressing, a power of two
    size_t used_ = 0;
};

}  // namespace engine
