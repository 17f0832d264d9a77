#pragma once

#include "kernels/cuda/matmul_decode.h"

/// Products of one input that share a launch.
namespace kernels::detail {

inline constexpr int kMaxProducts = 3;

/// Products that share a launch: tile b (of one or several row tiles) belongs to
/// product i with firstTile[i] <= b < firstTile[i + 1].
struct ProductSet {
    int firstTile[kMaxProducts + 1];
    MatrixProduct products[kMaxProducts];

    __device__ int productOf(int tile) const {
        int which = 0;
        while (tile >= firstTile[which + 1]) ++which;
        return which;
    }
};

}  // namespace kernels::detail
