#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "kernels/ops.h"

namespace kernels::detail {

/// Copies between page-locked host memory and the card. Uploads have a stream of their own, so that they run
/// beside kernels: a copy engine does them, and only memory bandwidth is shared. Throws std::runtime_error.
class HostCopies {
  public:
    /// `compute`: the stream of all operations; must outlive this.
    explicit HostCopies(cudaStream_t compute);
    ~HostCopies();
    HostCopies(const HostCopies&) = delete;
    HostCopies& operator=(const HostCopies&) = delete;

    /// Page-locked, usable from every stream. Throws std::bad_alloc.
    static std::byte* allocate(size_t bytes);
    static void release(std::byte* data) noexcept;

    void downloadAll(std::span<const HostCopy> copies);
    /// See Ops::fetch, awaitFetch.
    uint64_t fetch(std::byte* host, const void* device, size_t bytes);
    void awaitFetch(uint64_t fetch);
    /// See Ops::uploadAside, isThere, awaitUploads.
    uint64_t uploadAside(std::span<const HostCopy> copies);
    bool isThere(uint64_t uploads);
    void awaitUploads();

  private:
    struct Begun {
        uint64_t number;
        cudaEvent_t done;
    };
    cudaEvent_t takeEvent();

    cudaStream_t compute_, stream_ = nullptr;
    cudaEvent_t earlier_ = nullptr;  ///< what was enqueued before an upload
    std::deque<Begun> begun_;        ///< uploads, oldest first; those that are done may still be here
    std::deque<Begun> fetches_;      ///< likewise
    std::vector<cudaEvent_t> spare_;
    uint64_t count_ = 0, fetchCount_ = 0;
};

}  // namespace kernels::detail
