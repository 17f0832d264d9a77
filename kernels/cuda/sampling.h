#pragma once

#include <cuda_runtime.h>

#include <span>

#include "kernels/ops.h"

namespace kernels::detail {

/// Ops::sample on the device: one block a row; only ids come back. Filters are found as thresholds by radix
/// selection over the logits' order, so nothing is sorted.
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
    std::byte* device_ = nullptr;  ///< parameters, penalised ids and results
    std::byte* host_ = nullptr;    ///< the same, pinned
    size_t bytes_ = 0;
};

}  // namespace kernels::detail
