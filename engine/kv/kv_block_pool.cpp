#include "engine/kv/kv_block_pool.h"

#include <fmt/format.h>

#include <cstdlib>

namespace engine {
namespace {

[[noreturn]] void broken(const std::string& reason) {
    fmt::print(stderr, "KvBlockPool: {}\n", reason);
    std::abort();
}

}  // namespace

KvBlockPool::KvBlockPool(kernels::Ops& ops, KvGroupLayout layout, int blocks)
    : ops_(ops),
      layout_(std::move(layout)),
      memory_(ops.allocate(layout_.bytesPerBlock() * static_cast<size_t>(blocks))),
      references_(static_cast<size_t>(blocks), 0) {
    free_.reserve(static_cast<size_t>(blocks));
    for (BlockId block = blocks - 1; block >= 0; --block) free_.push_back(block);
}

std::optional<KvBlockPool::BlockId> KvBlockPool::allocate() {
    if (free_.empty()) return std::nullopt;
    const BlockId block = free_.back();
    free_.pop_back();
    references_[static_cast<size_t>(block)] = 1;
    return block;
}

void KvBlockPool::retain(BlockId block) {
    if (references(block) == 0) broken(fmt::format("block {} is retained while free", block));
    ++references_[static_cast<size_t>(block)];
}

void KvBlockPool::release(BlockId block) {
    if (references(block) == 0) broken(fmt::format("block {} is released while free", block));
    if (--references_[static_cast<size_t>(block)] == 0) free_.push_back(block);
}

int KvBlockPool::references(BlockId block) const {
    if (block < 0 || block >= totalBlocks())
        broken(fmt::format("there is no block {} among {}", block, totalBlocks()));
    return references_[static_cast<size_t>(block)];
}

void KvBlockPool::copyBlock(BlockId to, BlockId from) {
    const size_t bytes = layer(0).blockBytes();
    for (int index = 0; index < static_cast<int>(layout_.layers.size()); ++index) {
        std::byte* base = layer(index).base;
        ops_.copy(base + static_cast<size_t>(to) * bytes, base + static_cast<size_t>(from) * bytes, bytes);
    }
}

int KvBlockPool::totalBlocks() const {
    return static_cast<int>(references_.size());
}
int KvBlockPool::freeBlocks() const {
    return static_cast<int>(free_.size());
}

kernels::KvLayer KvBlockPool::layer(int index) const {
    kernels::KvLayer view{nullptr,        layout_.type,     layout_.numKvHeads,
                          layout_.keyDim, layout_.valueDim, layout_.blockTokens};
    view.base = memory_.as<std::byte>() +
                static_cast<size_t>(index) * view.blockBytes() * static_cast<size_t>(totalBlocks());
    return view;
}

void KvBlockPool::checkIntegrity() const {
    std::vector<bool> isFree(references_.size(), false);
    for (const BlockId block : free_) {
        if (isFree[static_cast<size_t>(block)])
            broken(fmt::format("block {} is in the free list twice", block));
        isFree[static_cast<size_t>(block)] = true;
        if (references_[static_cast<size_t>(block)] != 0)
            broken(fmt::format("block {} is free with {} references", block, references(block)));
    }
    for (BlockId block = 0; block < totalBlocks(); ++block)
        if (!isFree[static_cast<size_t>(block)] && references(block) <= 0)
            broken(fmt::format("block {} is neither free nor referenced", block));
}

}  // namespace engine
