#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Where in a text control tokens may be recognised: the half-open byte ranges, ascending and apart.
struct ByteRange {
    size_t begin;
    size_t end;
};

/// Who a special token stands for, which decides where its spelling counts.
enum class SpecialKind : uint8_t {
    Hidden,    ///< control: only inside special ranges
    Marker,    ///< a user-defined turn marker: inside special ranges, and everywhere in a raw text
    Ordinary,  ///< user-defined text (runs of spaces, tags): everywhere
};

/// Finds special tokens in a text: from left to right, the longest that is allowed at each place. A trie over
/// bytes; linear in the text times the longest token. Immutable once built: any thread.
class SpecialMatcher {
  public:
    struct Match {
        size_t begin;
        size_t end;
        TokenId id;
    };

    /// `text` must not be empty. A later token with the same text replaces an earlier one.
    void add(std::string_view text, TokenId id, SpecialKind kind);

    /// `raw`: markers count outside `special` too. Matches ascending, not overlapping.
    std::vector<Match> find(std::string_view text, std::span<const ByteRange> special, bool raw) const;

  private:
    struct Node {
        TokenId id = -1;  ///< the token that ends here, if any
        SpecialKind kind = SpecialKind::Ordinary;
    };

    static uint64_t edge(uint32_t node, uint8_t byte) { return (uint64_t{node} << 8) | byte; }
    /// The longest allowed token at `begin`; its id is -1 if there is none. Control tokens must end by
    /// `specialEnd`.
    Match longestAt(std::string_view text, size_t begin, size_t specialEnd, bool raw) const;

    std::vector<Node> nodes_ = {Node{}};
    std::unordered_map<uint64_t, uint32_t> edges_;
    std::vector<bool> starts_ = std::vector<bool>(256, false);  ///< bytes with which some token begins
};

}  // namespace engine
