#include "engine/kv/block_table.h"

#include <algorithm>
#include <utility>

namespace engine {

BlockTable::BlockTable(KvBlockPool& pool, std::vector<int32_t> blocks)
    : pool_(&pool), blocks_(std::move(blocks)) {
    while (firstHeld_ < static_cast<int>(blocks_.size()) &&
           blocks_[static_cast<size_t>(firstHeld_)] == kReleased)
        ++firstHeld_;
}

BlockTable::BlockTable(BlockTable&& other) noexcept
    : pool_(other.pool_),
      blocks_(std::exchange(other.blocks_, {})),
      firstHeld_(std::exchange(other.firstHeld_, 0)) {}

BlockTable& BlockTable::operator=(BlockTable&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(blocks_, other.blocks_);
    std::swap(firstHeld_, other.firstHeld_);
    return *this;
}

bool BlockTable::isShared(int entry) const {
    const int32_t block = blocks_[static_cast<size_t>(entry)];
    return block != kReleased && pool_->references(block) > 1;
}

int BlockTable::blocksNeeded(int tokens, int firstWritten) const {
    const int held = static_cast<int>(blocks_.size());
    int needed = std::max(0, entriesFor(tokens) - held);
    for (int entry = firstWritten / blockTokens(); entry < std::min(held, entriesFor(tokens)); ++entry)
        needed += isShared(entry) ? 1 : 0;
    return needed;
}

bool BlockTable::reserve(int tokens, int firstWritten) {
    for (int entry = firstWritten / blockTokens();
         entry < std::min(static_cast<int>(blocks_.size()), entriesFor(tokens)); ++entry) {
        if (!isShared(entry)) continue;
        const auto copy = pool_->allocate();
        if (!copy) return false;
        int32_t& block = blocks_[static_cast<size_t>(entry)];
        pool_->copyBlock(*copy, block);
        pool_->release(block);
        block = *copy;
    }
    while (static_cast<int>(blocks_.size()) < entriesFor(tokens)) {
        const auto block = pool_->allocate();
        if (!block) return false;
        blocks_.push_back(*block);
    }
    return true;
}

void BlockTable::truncate(int tokens) {
    while (static_cast<int>(blocks_.size()) > entriesFor(tokens)) {
        if (blocks_.back() != kReleased) pool_->release(blocks_.back());
        blocks_.pop_back();
    }
    firstHeld_ = std::min(firstHeld_, static_cast<int>(blocks_.size()));
}

void BlockTable::releaseBefore(int token) {
    const int end = std::min(token / blockTokens(), static_cast<int>(blocks_.size()));
    for (; firstHeld_ < end; ++firstHeld_) {
        int32_t& block = blocks_[static_cast<size_t>(firstHeld_)];
        if (block != kReleased) pool_->release(block);
        block = kReleased;
    }
}

void BlockTable::adopt(int entry, int32_t block) {
    int32_t& own = blocks_[static_cast<size_t>(entry)];
    if (own == kReleased || own == block) return;
    pool_->retain(block);
    pool_->release(own);
    own = block;
}

int32_t BlockTable::slot(int token) const {
    return blocks_[static_cast<size_t>(token / blockTokens())] * blockTokens() + token % blockTokens();
}

}  // namespace engine
