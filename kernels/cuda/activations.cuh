#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/cuda_common.cuh"

/// The rows a matrix product takes, in the two forms its two kernel families read.
///
/// Decode family: int8 in groups of 64 with a float scale, permuted so that the four words a lane feeds to
/// two m16n8k32 products are 16 adjacent bytes; the group's scale and integer sums are 16 bytes too. Prefill
/// family: bfloat16 rows, whose range, unlike half's, holds every activation, and whose rounding is below
/// that of the int8 groups.
namespace kernels::detail {

/// Of 64 quants: x = scale * quant; sums of quants for the offsets and minimums of quantised weights.
struct alignas(16) GroupFacts {
    float scale;
    short2 sums32;        ///< of quants 0..31 and 32..63
    short2 sums16First;   ///< of quants 0..15 and 16..31
    short2 sums16Second;  ///< of quants 32..47 and 48..63
};

struct ActivationView {
    int8_t* quants = nullptr;         ///< [rows, groups, 64] permuted
    GroupFacts* facts = nullptr;      ///< [rows, groups]
    __nv_bfloat16* values = nullptr;  ///< [rows, width]
    int width = 0;
    int groups = 0;  ///< ceil(width / 64); the padding is zero
};

/// Where value k of a group lies after the permutation: word (t, step, half) of lane t.
__host__ __device__ constexpr int permutedOffset(int k) {
    return (k / 4 % 4 * 4 + k / 32 * 2 + k / 16 % 2) * 4 + k % 4;
}

/// Stores 64 consecutive values of a row: lane l holds values l and l + 32 of the group. The whole warp calls
/// it. Values beyond the width must be zero.
__device__ inline void storeGroup(const ActivationView& out, int row, int group, float first, float second) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const float largest = warpMax(fmaxf(fabsf(first), fabsf(second)));
    const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
    const size_t index = static_cast<size_t>(row) * out.groups + group;
    const int quants[2] = {__float2int_rn(first * inverse), __float2int_rn(second * inverse)};
    int sums[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        out.quants[index * 64 + permutedOffset(lane + 32 * half)] = static_cast<int8_t>(quants[half]);
        sums[half] = quants[half];
        for (int mask = 8; mask > 0; mask >>= 1) sums[half] += __shfl_xor_sync(0xffffffffU, sums[half], mask);
    }
    const int others[2] = {__shfl_xor_sync(0xffffffffU, sums[0], 16),
                           __shfl_xor_sync(0xffffffffU, sums[1], 16)};
    const auto pair = [](int a, int b) { return short2{static_cast<short>(a), static_cast<short>(b)}; };
    if (lane == 0)
        out.facts[index] = {largest / 127.0F, pair(sums[0] + others[0], sums[1] + others[1]),
                            pair(sums[0], others[0]), pair(sums[1], others[1])};
    const int column = group * 64 + lane;
    __nv_bfloat16* values = out.values + static_cast<size_t>(row) * out.width + column;
    if (column < out.width) values[0] = __float2bfloat16(first);
    if (column + 32 < out.width) values[32] = __float2bfloat16(second);
}

}  // namespace kernels::detail
