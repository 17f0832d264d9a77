#pragma once

#include <cuda_runtime.h>

#include <span>

#include "kernels/cuda/matmul_decode.h"

namespace kernels::detail {

/// Prompt rows at a time for which a matrix is better read packed than unpacked first.
inline constexpr int kFewRows = 64;

/// Whether this card can: bfloat16 tensor cores, and the shared memory of a block.
bool multipliesFewRows();

/// Products of quantised matrices with x[firstRow + r] for up to kFewRows rows, biases left out: the values
/// are those that unpackToBf16 gives, the sums one chain of tensor-core products in ascending columns. Where
/// a library's kernel adds in that order the results are the same, bit by bit.
void multiplyFewRows(std::span<const MatrixProduct> products, const ActivationView& x, int firstRow, int rows,
                     cudaStream_t stream);

}  // namespace kernels::detail
