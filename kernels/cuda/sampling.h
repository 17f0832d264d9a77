#pragma once

#include <cuda_runtime.h>

#include <span>

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

    /// Draws one token per row and waits. logits [rows, vocabulary] are overwritten. Throws OutOfDeviceMemory
    /// when more rows or penalties than ever before do not fit.
    void sample(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                std::span<int32_t> ids, cudaStream_t stream);

  private:
    void reserve(size_t bytes);
    std::byte* device_ = nullptr;  ///< parameters, penalised ids, results and the parts' candidates
    std::byte* host_ = nullptr;    ///< the same, pinned
    size_t bytes_ = 0;
};

}  // namespace kernels::detail
