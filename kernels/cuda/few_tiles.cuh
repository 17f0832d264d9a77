#pragma once

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/product_set.cuh"

/// Between the two kernels for a prompt's few rows: one for matrices of many row tiles, and this one for
/// those of a few a multiprocessor.
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

}  // namespace kernels::detail
