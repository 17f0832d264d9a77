// Copies between page-locked host memory and the card, beside the kernels.
#include "kernels/cuda/host_copies.h"

#include <new>

#include "kernels/cuda/cuda_common.cuh"

namespace kernels::detail {

HostCopies::HostCopies(cudaStream_t compute) : compute_(compute) {
    checkCuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream for copies");
    checkCuda(cudaEventCreateWithFlags(&earlier_, cudaEventDisableTiming), "making an event");
}

HostCopies::~HostCopies() {
    cudaStreamSynchronize(stream_);
    for (const Begun& upload : begun_) cudaEventDestroy(upload.done);
    for (const Begun& fetch : fetches_) cudaEventDestroy(fetch.done);
    for (const cudaEvent_t event : spare_) cudaEventDestroy(event);
    cudaEventDestroy(earlier_);
    cudaStreamDestroy(stream_);
}

std::byte* HostCopies::allocate(size_t bytes) {
    void* data = nullptr;
    if (cudaHostAlloc(&data, bytes, cudaHostAllocPortable) == cudaSuccess)
        return static_cast<std::byte*>(data);
    cudaGetLastError();  // the failure is reported here, not at the next launch
    throw std::bad_alloc();
}

void HostCopies::release(std::byte* data) noexcept {
    cudaFreeHost(data);
}

void HostCopies::downloadAll(std::span<const HostCopy> copies) {
    for (const HostCopy& copy : copies)
        checkCuda(cudaMemcpyAsync(copy.host, copy.device, copy.bytes, cudaMemcpyDeviceToHost, compute_),
                  "download");
    checkCuda(cudaStreamSynchronize(compute_), "download");
}

cudaEvent_t HostCopies::takeEvent() {
    if (!spare_.empty()) {
        const cudaEvent_t event = spare_.back();
        spare_.pop_back();
        return event;
    }
    cudaEvent_t event = nullptr;
    checkCuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
    return event;
}

uint64_t HostCopies::fetch(std::byte* host, const void* device, size_t bytes) {
    checkCuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, compute_), "fetching");
    fetches_.push_back({++fetchCount_, takeEvent()});
    checkCuda(cudaEventRecord(fetches_.back().done, compute_), "recording an event");
    return fetchCount_;
}

void HostCopies::awaitFetch(uint64_t fetch) {
    while (!fetches_.empty() && fetches_.front().number <= fetch) {
        if (fetches_.front().number == fetch)
            checkCuda(cudaEventSynchronize(fetches_.front().done), "waiting for a fetch");
        spare_.push_back(fetches_.front().done);
        fetches_.pop_front();
    }
}

uint64_t HostCopies::uploadAside(std::span<const HostCopy> copies) {
    // The bytes may be what an operation enqueued earlier still reads.
    checkCuda(cudaEventRecord(earlier_, compute_), "recording an event");
    checkCuda(cudaStreamWaitEvent(stream_, earlier_, 0), "waiting for an event");
    for (const HostCopy& copy : copies)
        checkCuda(cudaMemcpyAsync(copy.device, copy.host, copy.bytes, cudaMemcpyHostToDevice, stream_),
                  "upload");
    begun_.push_back({++count_, takeEvent()});
    checkCuda(cudaEventRecord(begun_.back().done, stream_), "recording an event");
    return count_;
}

bool HostCopies::isThere(uint64_t uploads) {
    while (!begun_.empty() && begun_.front().number <= uploads) {
        const cudaError_t state = cudaEventQuery(begun_.front().done);
        if (state == cudaErrorNotReady) return false;
        checkCuda(state, "asking for an upload");
        spare_.push_back(begun_.front().done);
        begun_.pop_front();
    }
    return true;
}

void HostCopies::awaitUploads() {
    // The stream runs in order: the last one stands for all.
    if (!begun_.empty())
        checkCuda(cudaStreamWaitEvent(compute_, begun_.back().done, 0), "waiting for an event");
}

}  // namespace kernels::detail
