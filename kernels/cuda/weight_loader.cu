#include "kernels/cuda/weight_loader.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "kernels/cuda/cuda_common.cuh"

namespace kernels::detail {
namespace {

/// Copies with as many threads as pay: one core moves some 8 GB/s out of the page cache, the bus takes 55.
void copyInParallel(std::byte* to, const std::byte* from, size_t bytes) {
    constexpr size_t kLeast = size_t{1} << 20;  // starting a thread costs as much as copying a part of that
    const size_t cores = std::max(1U, std::thread::hardware_concurrency());
    const size_t parts = std::clamp<size_t>(bytes / kLeast, 1, std::min<size_t>(cores, 8));
    const size_t share = ceilDiv(ceilDiv(bytes, parts), size_t{4096}) * 4096;
    std::vector<std::jthread> helpers;
    for (size_t begin = share; begin < bytes; begin += share)
        helpers.emplace_back([=] { std::memcpy(to + begin, from + begin, std::min(share, bytes - begin)); });
    std::memcpy(to, from, std::min(share, bytes));
}

}  // namespace

WeightLoader::~WeightLoader() {
    release();
}

void WeightLoader::release() noexcept {
    for (Slot& slot : slots_) {
        cudaFreeHost(slot.host);
        cudaFree(slot.device);
        if (slot.done != nullptr) cudaEventDestroy(slot.done);
        slot = {};
    }
    slotBytes_ = 0;
}

void WeightLoader::reserve(size_t slotBytes) {
    if (slotBytes <= slotBytes_) return;
    release();
    for (Slot& slot : slots_) {
        const bool isThere = cudaMallocHost(reinterpret_cast<void**>(&slot.host), slotBytes) == cudaSuccess &&
                             cudaMalloc(reinterpret_cast<void**>(&slot.device), slotBytes) == cudaSuccess;
        if (!isThere) {
            cudaGetLastError();  // the failure is reported here, not at the next launch
            release();
            throw OutOfDeviceMemory("the GPU has no room for " + std::to_string(kSlots * slotBytes >> 20) +
                                    " MiB to load through; close other programs that use it");
        }
        checkCuda(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming), "making an event");
    }
    slotBytes_ = slotBytes;
}

void WeightLoader::load(const PackedMatrix& to, const HostMatrix& source, cudaStream_t stream) {
    const size_t bytesPerRow = rowBytes(source.dtype, source.columns);
    // Repacking takes whole tiles of 16 rows.
    if (std::max(kSlotBytes, bytesPerRow * 16) > slotBytes_) {
        if (slotBytes_ > 0) finish(stream);
        reserve(std::max(kSlotBytes, bytesPerRow * 16));
    }
    const uint64_t rowsAtATime = slotBytes_ / bytesPerRow / 16 * 16;
    for (uint64_t first = 0; first < source.rows; first += rowsAtATime) {
        const uint64_t count = std::min(rowsAtATime, source.rows - first);
        const size_t bytes = count * bytesPerRow, at = first * bytesPerRow;
        Slot& slot = slots_[next_++ % kSlots];
        checkCuda(cudaEventSynchronize(slot.done), "loading weights");
        copyInParallel(slot.host, source.data + at, bytes);
        const bool plain = isPlain(source.dtype);
        std::byte* target = plain ? const_cast<std::byte*>(to.data) + at : slot.device;
        checkCuda(cudaMemcpyAsync(target, slot.host, bytes, cudaMemcpyHostToDevice, stream),
                  "loading weights");
        if (!plain) repack(to, slot.device, static_cast<int>(first), static_cast<int>(count), stream);
        checkCuda(cudaEventRecord(slot.done, stream), "loading weights");
    }
}

void WeightLoader::finish(cudaStream_t stream) {
    checkCuda(cudaStreamSynchronize(stream), "loading weights");
    release();
}

}  // namespace kernels::detail
