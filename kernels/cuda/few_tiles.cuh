#pragma once

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/product_set.cuh"

/// What the two kernels for a prompt's few rows share: one for matrices of many row tiles, one for those of a
/// few for each multiprocessor.
namespace kernels::detail {

/// Whether the card has so few row tiles for each multiprocessor that one warp a row tile leaves it idle.
bool areFewTiles(const ProductSet& set);

/// The products of `set`, whose matrices are of these two types or of one: as multiplyFewRows.
void multiplyFewTiles(const ProductSet& set, DType first, DType second, const ActivationView& x, int firstRow,
                      int rows, cudaStream_t stream);

/// Calls run with how many tiles of eight activation rows are compiled for so many rows.
template <class Run>
void forColumnTiles(int rows, Run&& run) {
    if (rows <= 16)
        run.template operator()<2>();
    else if (rows <= 32)
        run.template operator()<4>();
    else
        run.template operator()<kFewRows / 8>();
}

/// A lane's sums of row tile `rowTile` by activation rows firstRow to firstRow + 8 kTiles to the product's
/// result.
template <int kTiles>
__device__ __forceinline__ void storeSums(const MatrixProduct& product, int rowTile, int firstRow, int rows,
                                          const float (&sums)[kTiles][4], int lane) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int matrixRow = rowTile * 16 + lane / 4 + i / 2 * 8,
                      row = firstRow + n * 8 + 2 * (lane % 4) + i % 2;
            if (matrixRow < product.w.rows && row < rows)
                product.out[static_cast<size_t>(row) * product.outStride + matrixRow] = sums[n][i];
        }
}

}  // namespace kernels::detail
