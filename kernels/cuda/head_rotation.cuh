#pragma once

#include "kernels/cuda/cuda_common.cuh"
#include "kernels/ops.h"

/// The rotary embedding of a head, so that every kernel that rotates finds the same bits.
namespace kernels::detail {

/// The roundings are spelled out: a K row is the same bytes whatever the compiler makes of this.
__device__ inline void rotatePair(float& first, float& second, float2 by) {
    const float a = first, b = second;
    first = fmaf(a, by.x, -__fmul_rn(b, by.y));
    second = fmaf(a, by.y, __fmul_rn(b, by.x));
}

/// Heads in registers: lane t of four has the values 32 i + 8 t + j of its head at [i][j]. All of them
/// rotate.
template <int kDim>
class HeadRotation {
  public:
    /// `rotations`: of the row.
    __device__ __forceinline__ void load(const float2* rotations, RopePairs pairs, int t) {
        const bool halves = pairs == RopePairs::Halves;
#pragma unroll
        for (int n = 0; n < kDim / 8; ++n)
            by_[n] = rotations[halves ? n / 8 * 32 + 8 * t + n % 8 : n / 4 * 16 + 4 * t + n % 4];
    }
    __device__ __forceinline__ void apply(float (&x)[kDim / 32][8], RopePairs pairs) const {
        if (pairs == RopePairs::Halves) {
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n)
                rotatePair(x[n / 8][n % 8], x[n / 8 + kDim / 64][n % 8], by_[n]);
        } else {
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n)
                rotatePair(x[n / 4][n % 4 * 2], x[n / 4][n % 4 * 2 + 1], by_[n]);
        }
    }

  private:
    float2 by_[kDim / 8];
};

/// What a head's values are to be multiplied with before the norm's weights, from the four lanes' sums of
/// squares.
__device__ inline float headScale(float squares, int dim, float epsilon) {
    squares = __fadd_rn(squares, __shfl_xor_sync(0xffffffffU, squares, 1));
    squares = __fadd_rn(squares, __shfl_xor_sync(0xffffffffU, squares, 2));
    return rsqrtf(__fadd_rn(__fdiv_rn(squares, static_cast<float>(dim)), epsilon));
}

}  // namespace kernels::detail
