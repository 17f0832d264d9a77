#include "engine/prompt/stretch_cache.h"

#include <algorithm>

namespace engine {

std::vector<TokenId> StretchCache::encode(const Tokenizer& tokenizer, std::span<const TextPiece> pieces) {
    size_t size = 0;
    for (const TextPiece& piece : pieces) size += piece.text.size();
    if (size < kLeastBytes || size > kMostBytes) return tokenizer.encode(pieces, false);

    Stretch stretch;
    stretch.text.reserve(size);
    bool special = false;
    for (const TextPiece& piece : pieces) {
        if (piece.text.empty()) continue;
        if (piece.special != special) stretch.borders.push_back(stretch.text.size());
        special = piece.special;
        stretch.text += piece.text;
    }
    {
        const std::lock_guard lock(mutex_);
        const auto known = std::ranges::find_if(stretches_, [&](const Stretch& other) {
            return other.borders == stretch.borders && other.text == stretch.text;
        });
        if (known != stretches_.end()) {
            stretches_.splice(stretches_.begin(), stretches_, known);
            ++found_;
            return known->ids;
        }
    }
    stretch.ids = tokenizer.encode(pieces, false);
    std::vector<TokenId> ids = stretch.ids;
    const std::lock_guard lock(mutex_);
    bytes_ += size;
    stretches_.push_front(std::move(stretch));
    while (bytes_ > kMostBytes) {
        bytes_ -= stretches_.back().text.size();
        stretches_.pop_back();
    }
    return ids;
}

void StretchCache::clear() {
    const std::lock_guard lock(mutex_);
    stretches_.clear();
    bytes_ = 0;
}

size_t StretchCache::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

size_t StretchCache::found() const {
    const std::lock_guard lock(mutex_);
    return found_;
}

}  // namespace engine
