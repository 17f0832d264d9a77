#pragma once

#include <cuda_runtime.h>

#include <functional>
#include <span>
#include <vector>

#include "kernels/ops.h"

namespace kernels::detail {

/// Ops::sample on the device; only ids come back. Unfiltered rows are shared by many blocks. Filters are
/// found as thresholds by radix selection over the logits' order, one block a row, so nothing is sorted.
class DeviceSampler {
  public:
    DeviceSampler() = default;
    ~DeviceSampler();
    DeviceSampler(const DeviceSampler&) = delete;
    DeviceSampler& operator=(const DeviceSampler&) = delete;

    /// Copies host bytes to the device in the stream's order; they may change once it returns.
    using Send = std::function<void(void* device, const void* host, size_t bytes)>;
    /// Draws one token per row and waits. logits [rows, vocabulary] are overwritten. Throws OutOfDeviceMemory
    /// when more rows or penalties than ever before do not fit.
    void sample(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                std::span<int32_t> ids, const Send& send, cudaStream_t stream);
    /// Ops::draw: without waiting.
    void draw(const float* logits, int vocabulary, std::span<const SamplingRow> rows, const Send& send,
              cudaStream_t stream);

  private:
    void reserve(size_t bytes);
    /// The draws go to the rows' targets, or to device_ + resultsAt_.
    void enqueue(const float* logits, int vocabulary, std::span<const SamplingRow> rows, bool toTargets,
                 const Send& send, cudaStream_t stream);
    std::byte* device_ = nullptr;  ///< parameters, penalised ids, results and the parts' candidates
    std::byte* host_ = nullptr;    ///< pinned, as large: results on their way back
    size_t bytes_ = 0, resultsAt_ = 0;
    std::vector<std::byte> parameters_;
};

}  // namespace kernels::detail
