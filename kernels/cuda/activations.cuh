#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/cuda_common.cuh"
#include "kernels/cuda/packed_weight.h"

/// The rows a matrix product takes, in the two forms its two kernel families read.
///
/// Decode family: int8 in groups of 64 with a float scale, permuted so that the four words a lane feeds to
/// two m16n8k32 products are 16 adjacent bytes; the group's scale and integer sums are 16 bytes too. Prefill
/// family: bfloat16 rows, whose range, unlike half's, holds every activation, and whose rounding is below
/// that of the int8 groups.
///
/// Of a row that leaves a norm the groups lack the norm's division by the row's root mean square: they are
/// made before the whole row is known, and a product of the decode family divides its sums instead.
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
    float* squares = nullptr;  ///< [rows, groups] sums of squares before the norm's weights; null: no norm
    float epsilon = 0.0F;      ///< of the norm
    int width = 0;
    int groups = 0;  ///< ceil(width / 64); the padding is zero

    /// The same from row `row` on.
    __host__ __device__ ActivationView from(int row) const {
        ActivationView view = *this;
        const size_t skipped = static_cast<size_t>(row) * groups;
        view.quants += skipped * 64;
        view.facts += skipped;
        view.values += static_cast<size_t>(row) * width;
        if (squares != nullptr) view.squares += skipped;
        return view;
    }
};

/// Sum of squares of a group, eight lanes of eight neighbouring values each; all of them get it. The order is
/// spelled out, as several kernels must find the same bits.
__device__ inline float groupSquares(const float (&x)[8]) {
    float sums[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) sums[i] = __fmul_rn(x[i], x[i]);
#pragma unroll
    for (int distance = 1; distance < 8; distance *= 2)
#pragma unroll
        for (int i = 0; i < 8; i += 2 * distance) sums[i] = __fadd_rn(sums[i], sums[i + distance]);
#pragma unroll
    for (int mask = 1; mask < 8; mask *= 2)
        sums[0] = __fadd_rn(sums[0], __shfl_xor_sync(0xffffffffU, sums[0], mask));
    return sums[0];
}

/// Where value k of a group lies after the permutation, which gives it the place of a packed weight's column:
/// word (step, half) of lane t.
__host__ __device__ constexpr int permutedOffset(int k) {
    return (laneOfColumn(k) * 4 + k / 16) * 4 + byteOfColumn(k);
}

/// Quantises 64 consecutive values of a row: lane l holds values l and l + 32 of the group, the whole warp
/// calls it. Values beyond the width must be zero. `quants` [64] and `facts` of that group may be in shared
/// memory.
__device__ inline void quantiseGroup(int8_t* quants, GroupFacts* facts, float first, float second) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const float largest = warpMax(fmaxf(fabsf(first), fabsf(second)));
    const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
    const int values[2] = {__float2int_rn(first * inverse), __float2int_rn(second * inverse)};
    int sums[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        quants[permutedOffset(lane + 32 * half)] = static_cast<int8_t>(values[half]);
        sums[half] = values[half];
        for (int mask = 8; mask > 0; mask >>= 1) sums[half] += __shfl_xor_sync(0xffffffffU, sums[half], mask);
    }
    const int others[2] = {__shfl_xor_sync(0xffffffffU, sums[0], 16),
                           __shfl_xor_sync(0xffffffffU, sums[1], 16)};
    const auto pair = [](int a, int b) { return short2{static_cast<short>(a), static_cast<short>(b)}; };
    if (lane == 0)
        *facts = {largest / 127.0F, pair(sums[0] + others[0], sums[1] + others[1]), pair(sums[0], others[0]),
                  pair(sums[1], others[1])};
}

/// The same bits from another arrangement, which takes four groups at a time: eight lanes a group, lane j of
/// them holds values 8 j .. 8 j + 7. The whole warp calls it; lanes whose group is not `there` store nothing.
__device__ inline void quantiseEights(int8_t* quants, GroupFacts* facts, const float (&values)[8],
                                      bool there) {
    const int j = static_cast<int>(threadIdx.x % 8);
    float largest = 0.0F;
#pragma unroll
    for (int i = 0; i < 8; ++i) largest = fmaxf(largest, fabsf(values[i]));
#pragma unroll
    for (int mask = 1; mask < 8; mask *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffU, largest, mask));
    const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
    uint32_t words[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < 8; ++i)
        words[i / 4] |= (static_cast<uint32_t>(__float2int_rn(values[i] * inverse)) & 255U) << (i % 4 * 8);
    const int eight =
        __dp4a(static_cast<int>(words[0]), 0x01010101, __dp4a(static_cast<int>(words[1]), 0x01010101, 0));
    const int sixteen = eight + __shfl_xor_sync(0xffffffffU, eight, 1);
    const int thirtyTwo = sixteen + __shfl_xor_sync(0xffffffffU, sixteen, 2);
    // Of a step's 16 columns this lane has the first or the last eight; it writes the words of two lanes t.
    const bool isOdd = j % 2 != 0;
    const uint32_t other = __shfl_xor_sync(0xffffffffU, isOdd ? words[0] : words[1], 1);
    const uint32_t first = isOdd ? other : words[0], second = isOdd ? words[1] : other;
    if (!there) return;
    auto* to = reinterpret_cast<uint32_t*>(quants + permutedOffset(j / 2 * 16 + (isOdd ? 4 : 0)));
    to[0] = __byte_perm(first, second, 0x5140);
    to[4] = __byte_perm(first, second, 0x7362);
    auto* sums = reinterpret_cast<short*>(&facts->sums32);  // two of 32, then four of 16
    if (j == 0) facts->scale = largest / 127.0F;
    if (j % 4 == 0) sums[j / 4] = static_cast<short>(thirtyTwo);
    if (j % 2 == 0) sums[2 + j / 2] = static_cast<short>(sixteen);
}

/// Eight values to a row of `width` floats; none beyond it.
__device__ __forceinline__ void storeEight(float* row, int column, int width, const float (&from)[8]) {
    if (width % 4 == 0) {
#pragma unroll
        for (int half = 0; half < 2; ++half)
            if (column + 4 * half < width)
                *reinterpret_cast<float4*>(row + column + 4 * half) = {
                    from[4 * half], from[4 * half + 1], from[4 * half + 2], from[4 * half + 3]};
    } else {
        for (int i = 0; i < 8 && column + i < width; ++i) row[column + i] = from[i];
    }
}

/// Stores bfloat16 values of eights of a row.
__device__ inline void storeValues(const ActivationView& out, int row, int column, const float (&values)[8]) {
    if (column >= out.width) return;
    __nv_bfloat16* to = out.values + static_cast<size_t>(row) * out.width + column;
    if (out.width % 8 == 0) {
        __nv_bfloat162 pairs[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) pairs[i] = __floats2bfloat162_rn(values[2 * i], values[2 * i + 1]);
        *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(pairs);
        return;
    }
    for (int i = 0; i < 8 && column + i < out.width; ++i) to[i] = __float2bfloat16(values[i]);
}

/// Stores such eights of a row in both forms; rows and groups may differ between the four eights of a warp.
__device__ inline void storeEights(const ActivationView& out, int row, int group, const float (&values)[8],
                                   bool there) {
    const size_t index = static_cast<size_t>(row) * out.groups + group;
    quantiseEights(out.quants + index * 64, out.facts + index, values, there);
    if (there) storeValues(out, row, group * 64 + static_cast<int>(threadIdx.x % 8) * 8, values);
}

/// Eight values of a row of `width` floats; zero beyond it. Where the width is a multiple of four, rows are
/// aligned.
__device__ __forceinline__ void loadEight(const float* row, int column, int width, float (&to)[8]) {
    if (width % 4 == 0) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float4 four = column + 4 * half < width
                                    ? *reinterpret_cast<const float4*>(row + column + 4 * half)
                                    : float4{0.0F, 0.0F, 0.0F, 0.0F};
            to[4 * half] = four.x, to[4 * half + 1] = four.y, to[4 * half + 2] = four.z,
                   to[4 * half + 3] = four.w;
        }
    } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) to[i] = column + i < width ? row[column + i] : 0.0F;
    }
}

/// Stores such a group of a row in both forms.
__device__ inline void storeGroup(const ActivationView& out, int row, int group, float first, float second) {
    const size_t index = static_cast<size_t>(row) * out.groups + group;
    quantiseGroup(out.quants + index * 64, out.facts + index, first, second);
    const int column = group * 64 + static_cast<int>(threadIdx.x % 32);
    __nv_bfloat16* values = out.values + static_cast<size_t>(row) * out.width + column;
    if (column < out.width) values[0] = __float2bfloat16(first);
    if (column + 32 < out.width) values[32] = __float2bfloat16(second);
}

}  // namespace kernels::detail
