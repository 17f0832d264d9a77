#pragma once

#include <algorithm>

#include "kernels/cuda/matmul_decode.h"
#include "kernels/cuda/packed_tile.cuh"

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

    /// A product of so many tiles, behind the `index` ones that are there.
    void place(int index, const MatrixProduct& product, int tiles) {
        products[index] = product;
        for (int i = index; i < kMaxProducts; ++i) firstTile[i + 1] = firstTile[index] + tiles;
    }
    /// Results go to rows so much further on.
    void skipRows(int rows) {
        for (MatrixProduct& product : products)
            if (product.out != nullptr) product.out += static_cast<size_t>(rows) * product.outStride;
    }
};

/// Calls f with two types that mixes of quantisations have side by side: the K_M mixes keep V in more bits
/// than Q and K. False for other pairs.
template <class F>
bool dispatchPair(DType first, DType second, F&& f) {
    if (first == DType::Q4_K && second == DType::Q6_K)
        f.template operator()<DType::Q4_K, DType::Q6_K>();
    else if (first == DType::Q5_K && second == DType::Q6_K)
        f.template operator()<DType::Q5_K, DType::Q6_K>();
    else if (first == DType::Q4_K && second == DType::Q5_K)
        f.template operator()<DType::Q4_K, DType::Q5_K>();
    else
        return false;
    return true;
}

/// Calls f with the types of a set: one twice, or two that dispatchPair knows.
template <class F>
void dispatchTypes(DType first, DType second, F&& f) {
    if (first == second)
        dispatchQuantised(first, [&]<DType T>() { f.template operator()<T, T>(); });
    else
        dispatchPair(first, second, f);
}

/// Calls run with the number of column tiles for each 16 rows.
template <class Run>
void forSixteens(int rows, Run&& run) {
    for (int first = 0; first < rows; first += 16) {
        const int count = std::min(rows - first, 16);
        if (count == 1)
            run.template operator()<0>(first, count);
        else if (count <= 8)
            run.template operator()<1>(first, count);
        else
            run.template operator()<2>(first, count);
    }
}

}  // namespace kernels::detail
