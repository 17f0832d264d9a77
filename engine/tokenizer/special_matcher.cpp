#include "engine/tokenizer/special_matcher.h"

#include <cassert>

namespace engine {

void SpecialMatcher::add(std::string_view text, TokenId id, SpecialKind kind) {
    assert(!text.empty() && "an empty token would be found everywhere");
    starts_[static_cast<uint8_t>(text[0])] = true;
    uint32_t node = 0;
    for (char c : text) {
        const auto [found, isNew] =
            edges_.try_emplace(edge(node, static_cast<uint8_t>(c)), static_cast<uint32_t>(nodes_.size()));
        if (isNew) nodes_.emplace_back();
        node = found->second;
    }
    nodes_[node] = {id, kind};
}

SpecialMatcher::Match SpecialMatcher::longestAt(std::string_view text, size_t begin, size_t specialEnd,
                                                bool raw) const {
    Match best{begin, begin, -1};
    uint32_t node = 0;
    for (size_t at = begin; at < text.size(); ++at) {
        const auto next = edges_.find(edge(node, static_cast<uint8_t>(text[at])));
        if (next == edges_.end()) break;
        node = next->second;
        if (nodes_[node].id < 0) continue;
        const SpecialKind kind = nodes_[node].kind;
        const bool everywhere = kind == SpecialKind::Ordinary || (kind == SpecialKind::Marker && raw);
        if (everywhere || at + 1 <= specialEnd) best = {begin, at + 1, nodes_[node].id};
    }
    return best;
}

std::vector<SpecialMatcher::Match> SpecialMatcher::find(std::string_view text,
                                                        std::span<const ByteRange> special, bool raw) const {
    std::vector<Match> matches;
    if (edges_.empty()) return matches;
    size_t range = 0;
    for (size_t at = 0; at < text.size();) {
        while (range < special.size() && special[range].end <= at) ++range;
        const bool inside = range < special.size() && special[range].begin <= at;
        Match match{at, at, -1};
        if (starts_[static_cast<uint8_t>(text[at])]) {
            match = longestAt(text, at, inside ? special[range].end : 0, raw);
        }
        if (match.id < 0) {
            ++at;
        } else {
            matches.push_back(match);
            at = match.end;
        }
    }
    return matches;
}

}  // namespace engine
