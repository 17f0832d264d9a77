#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/kv/kv_layout.h"

namespace engine {

/// A fixed number of equal KV blocks of one layout group, reference counted ("Efficient Memory Management for
/// Large Language Model Serving with PagedAttention", Kwon et al. 2023). Owns the device memory of all the
/// group's layers. A block is free or has one count for each holder (block table or cache node).
/// Invariant: free + referenced == total. Engine thread only.
class KvBlockPool {
  public:
    using BlockId = int32_t;

    /// Allocates `blocks` blocks. Throws kernels::OutOfDeviceMemory.
    KvBlockPool(kernels::Ops& ops, KvGroupLayout layout, int blocks);

    /// A block with one reference, or nothing when all are taken. O(1).
    std::optional<BlockId> allocate();
    void retain(BlockId block);   ///< one more holder
    void release(BlockId block);  ///< one holder fewer; the last frees it
    int references(BlockId block) const;

    /// Copies the rows of all layers from one block to another (copy-on-write of a shared tail).
    void copyBlock(BlockId to, BlockId from);

    int totalBlocks() const;
    int freeBlocks() const;
    int usedBlocks() const { return totalBlocks() - freeBlocks(); }
    const KvGroupLayout& layout() const { return layout_; }

    /// The device view of one of the group's layers; `index` counts within layout().layers.
    kernels::KvLayer layer(int index) const;

    /// Aborts with the reason when the invariant is broken.
    void checkIntegrity() const;

  private:
    kernels::Ops& ops_;
    KvGroupLayout layout_;
    kernels::DeviceBuffer memory_;     ///< [layers][blocks] blocks
    std::vector<int32_t> references_;  ///< [blocks]
    std::vector<BlockId> free_;        ///< stack
};

}  // namespace engine
