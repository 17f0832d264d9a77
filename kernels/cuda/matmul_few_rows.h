#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/packed_weight.h"

namespace kernels::detail {

struct ActivationView;

/// Prompt rows at a time for which a matrix is better read packed than unpacked first.
inline constexpr int kFewRows = 96;

/// Whether this card can: bfloat16 tensor cores, and the shared memory of a block.
bool multipliesFewRows();

/// out[r] = w x[firstRow + r] for up to kFewRows rows, of a quantised matrix: the values are those that
/// unpackToBf16 gives, the sums one chain of tensor-core products in ascending columns. Where a library's
/// kernel adds in that order the results are the same, bit by bit.
void multiplyFewRows(float* out, int outStride, const PackedMatrix& w, const ActivationView& x, int firstRow,
                     int rows, cudaStream_t stream);

}  // namespace kernels::detail
