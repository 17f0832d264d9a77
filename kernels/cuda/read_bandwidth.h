#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace kernels::detail {

/// Reads `bytes` (a multiple of 16) of device memory once and keeps nothing of it but a word at `sink` that
/// the compiler cannot know: for measuring how fast memory can be read.
void readThrough(const void* data, size_t bytes, unsigned* sink, cudaStream_t stream);

}  // namespace kernels::detail
