#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>

#include "kernels/cuda/packed_weight.h"

namespace kernels::detail {

/// Brings matrices from a mapped file to the device and repacks them there. Pages of a mapping cannot be sent
/// as they are, and the driver's own way of copying them is one thread that waits: here several threads copy
/// a piece into pinned memory while the device takes the pieces before it. One thread at a time may call it.
class WeightLoader {
  public:
    WeightLoader() = default;
    ~WeightLoader();
    WeightLoader(const WeightLoader&) = delete;
    WeightLoader& operator=(const WeightLoader&) = delete;

    /// Enqueues the filling of `to` from `source`, whose bytes may change once it returns. Throws
    /// OutOfDeviceMemory when there is no room for the staging memory.
    void load(const PackedMatrix& to, const HostMatrix& source, cudaStream_t stream);
    /// Waits for everything and gives the staging memory back.
    void finish(cudaStream_t stream);

    /// Device bytes that loading takes besides the matrices.
    static constexpr size_t stagingBytes() { return kSlots * kSlotBytes; }

  private:
    static constexpr size_t kSlots = 4, kSlotBytes = size_t{16} << 20;
    struct Slot {
        std::byte* host = nullptr;    ///< pinned
        std::byte* device = nullptr;  ///< what the repacking kernels read
        cudaEvent_t done = nullptr;   ///< both may be written again
    };

    void reserve(size_t slotBytes);
    void release() noexcept;

    std::array<Slot, kSlots> slots_;
    size_t slotBytes_ = 0, next_ = 0;
};

}  // namespace kernels::detail
