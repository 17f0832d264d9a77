#include "engine/tokenizer/pair_merger.h"

#include <algorithm>

namespace engine {
namespace {

/// A pair that could be merged when it was queued; it may have changed since.
struct Candidate {
    uint64_t order;  ///< rank, then place: the smallest goes first
    TokenId left;
    TokenId right;
    TokenId joined;

    uint32_t place() const { return static_cast<uint32_t>(order); }
    /// For a heap with its smallest on top.
    bool operator<(const Candidate& other) const { return order > other.order; }
};

/// The symbols of a word as a linked list over their first places.
struct Links {
    std::vector<TokenId> id;
    std::vector<int32_t> previous;
    std::vector<int32_t> next;
};

}  // namespace

size_t PairMerger::PairHash::operator()(uint64_t pair) const {
    constexpr uint64_t kOddConstant = 0x9E3779B97F4A7C15u;  // spreads neighbouring ids over the table
    const uint64_t mixed = pair * kOddConstant;
    return static_cast<size_t>(mixed ^ (mixed >> 32));
}

void PairMerger::add(TokenId left, TokenId right, TokenId joined, uint32_t rank) {
    merges_.try_emplace(pairOf(left, right), Merge{rank, joined});
}

void PairMerger::merge(const std::vector<TokenId>& symbols, std::vector<TokenId>& out) const {
    const auto count = static_cast<int32_t>(symbols.size());
    thread_local Links links;
    thread_local std::vector<Candidate> heap;
    links.id.assign(symbols.begin(), symbols.end());
    links.previous.resize(symbols.size());
    links.next.resize(symbols.size());
    heap.clear();

    const auto propose = [&](int32_t place) {
        const int32_t after = place < 0 ? -1 : links.next[static_cast<size_t>(place)];
        if (after < 0) return;
        const TokenId left = links.id[static_cast<size_t>(place)];
        const TokenId right = links.id[static_cast<size_t>(after)];
        const auto found = merges_.find(pairOf(left, right));
        if (found == merges_.end()) return;
        const uint64_t order = (uint64_t{found->second.rank} << 32) | static_cast<uint32_t>(place);
        heap.push_back({order, left, right, found->second.joined});
        std::push_heap(heap.begin(), heap.end());
    };
    for (int32_t i = 0; i < count; ++i) {
        links.previous[static_cast<size_t>(i)] = i - 1;
        links.next[static_cast<size_t>(i)] = i + 1 < count ? i + 1 : -1;
    }
    for (int32_t i = 0; i < count; ++i) propose(i);

    constexpr TokenId kGone = -2;  // merged into its left neighbour
    while (!heap.empty()) {
        std::pop_heap(heap.begin(), heap.end());
        const Candidate candidate = heap.back();
        heap.pop_back();
        const auto place = static_cast<size_t>(candidate.place());
        const int32_t after = links.next[place];
        if (links.id[place] != candidate.left || after < 0) continue;
        if (links.id[static_cast<size_t>(after)] != candidate.right) continue;
        links.id[place] = candidate.joined;
        links.id[static_cast<size_t>(after)] = kGone;
        const int32_t beyond = links.next[static_cast<size_t>(after)];
        links.next[place] = beyond;
        if (beyond >= 0) links.previous[static_cast<size_t>(beyond)] = static_cast<int32_t>(place);
        propose(links.previous[place]);
        propose(static_cast<int32_t>(place));
    }
    for (TokenId id : links.id) {
        if (id >= 0) out.push_back(id);
    }
}

}  // namespace engine
