#include "engine/speculate/ngram_index.h"

#include <algorithm>

namespace engine {
namespace {

/// Hashes an n-gram backwards from its end, so that longer suffixes build on shorter ones.
class SuffixHash {
  public:
    void extend(TokenId before) {
        hash_ = (hash_ + static_cast<uint64_t>(static_cast<uint32_t>(before)) + 1) * 0x9E3779B97F4A7C15U;
        hash_ ^= hash_ >> 29;
    }
    uint64_t value() const { return hash_; }

  private:
    uint64_t hash_ = 0x2545F4914F6CDD1DU;
};

}  // namespace

void NgramIndex::append(std::span<const TokenId> tokens) {
    if (textStart_ == tokens_.size() && !tokens_.empty() &&
        (ends_.empty() || ends_.back() != static_cast<uint32_t>(textStart_)))
        ends_.push_back(static_cast<uint32_t>(textStart_));
    for (const TokenId token : tokens) {
        // The n-grams that end before this token become known now that they have a successor.
        SuffixHash hash;
        const size_t end = tokens_.size(), longest = std::min<size_t>(kLongest, end - textStart_);
        for (size_t length = 1; length <= longest; ++length) {
            hash.extend(tokens_[end - length]);
            if (length + 1 >= kShortest) put(hash.value(), static_cast<int32_t>(end));
        }
        tokens_.push_back(token);
    }
}

NgramIndex::Match NgramIndex::find(std::span<const TokenId> text) const {
    Match match;
    SuffixHash hash;
    const size_t longest = std::min<size_t>(kLongest, text.size());
    for (size_t length = 1; length <= longest; ++length) {
        hash.extend(text[text.size() - length]);
        if (length < kShortest) continue;
        const int32_t next = lookUp(hash.value());
        if (next < 0) break;  // a longer suffix cannot be known where this one is not
        // Hashes may collide: the tokens decide.
        const auto start = next - static_cast<int32_t>(length);
        if (start < 0 || !std::equal(text.end() - static_cast<std::ptrdiff_t>(length), text.end(),
                                     tokens_.begin() + start))
            break;
        match.next = next;
        match.length = static_cast<int>(length);
    }
    if (match.length == kLongest) {
        const size_t most =
            std::min({static_cast<size_t>(kLongestCounted), text.size(), static_cast<size_t>(match.next)});
        while (static_cast<size_t>(match.length) < most &&
               text[text.size() - 1 - static_cast<size_t>(match.length)] ==
                   tokens_[static_cast<size_t>(match.next - 1 - match.length)])
            ++match.length;
    }
    return match;
}

/// A suffix of kShortest tokens can only be known where what it begins with is.
bool NgramIndex::mayFindNext(std::span<const TokenId> text) const {
    constexpr size_t kBegin = kShortest - 1;
    if (text.size() < kBegin) return false;
    SuffixHash hash;
    for (size_t length = 1; length <= kBegin; ++length) hash.extend(text[text.size() - length]);
    return lookUp(hash.value()) >= 0;
}

std::span<const TokenId> NgramIndex::continuation(int next, int most) const {
    const auto from = static_cast<size_t>(next);
    const auto end = std::upper_bound(ends_.begin(), ends_.end(), static_cast<uint32_t>(from));
    const size_t last = end != ends_.end() ? *end : tokens_.size();
    return tokens().subspan(from, std::min(static_cast<size_t>(std::max(0, most)), last - from));
}

void NgramIndex::put(uint64_t hash, int32_t next) {
    if (used_ * 2 >= slots_.size()) grow();
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].next >= 0 && slots_[at].hash != hash) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].next < 0) ++used_;
    slots_[at] = {hash, next};
}

int32_t NgramIndex::lookUp(uint64_t hash) const {
    if (slots_.empty()) return -1;
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at].next >= 0 && slots_[at].hash != hash) at = (at + 1) & (slots_.size() - 1);
    return slots_[at].next;
}

void NgramIndex::grow() {
    std::vector<Slot> old(std::max<size_t>(1024, slots_.size() * 2));
    old.swap(slots_);
    used_ = 0;
    for (const Slot& slot : old)
        if (slot.next >= 0) put(slot.hash, slot.next);
}

}  // namespace engine
