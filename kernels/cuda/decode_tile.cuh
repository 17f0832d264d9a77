#pragma once

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/matmul_decode.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/packed_tile.cuh"

/// What the decode product computes: a block of 8 warps takes 16 matrix rows, a warp every eighth span of
/// them in ascending order, the tiles of a span in ascending order, and the warps' partial sums are added in
/// warp order.
namespace kernels::detail {

inline constexpr int kDecodeWarps = 8;
inline constexpr int kMaxProducts = 3;

/// Products that share a launch: row tile b belongs to product i with firstTile[i] <= b < firstTile[i + 1].
struct ProductSet {
    int firstTile[kMaxProducts + 1];
    DecodeProduct products[kMaxProducts];

    __device__ int productOf(int tile) const {
        int which = 0;
        while (tile >= firstTile[which + 1]) ++which;
        return which;
    }
};

__device__ inline int asInt(short2 pair) {
    return *reinterpret_cast<const int*>(&pair);
}
__device__ inline int signedByte(uint32_t word, int index) {
    return static_cast<int8_t>(word >> (8 * index));
}

/// One matrix row's and one activation row's 64 products from the integer dot products of their groups, but
/// for the activations' scale.
template <DType T>
__device__ inline float combineGroups(const int (&dots)[4], uint32_t scales, uint32_t minimums,
                                      uint32_t supers, const GroupFacts& x) {
    if constexpr (T == DType::Q4_K || T == DType::Q5_K) {
        const int sum =
            dots[0] * static_cast<int>(scales & 255U) + dots[1] * static_cast<int>(scales >> 8 & 255U);
        const int minimum = __dp2a_hi(asInt(x.sums32), static_cast<int>(scales), 0);
        return halfAt(supers, 0) * static_cast<float>(sum) - halfAt(supers, 1) * static_cast<float>(minimum);
    } else if constexpr (T == DType::Q2_K) {
        const uint32_t low = scales & 0x0F0F0F0FU, high = scales >> 4 & 0x0F0F0F0FU;
        int sum = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) sum += dots[i] * static_cast<int>(low >> (8 * i) & 255U);
        const int minimum = __dp2a_hi(asInt(x.sums16Second), static_cast<int>(high),
                                      __dp2a_lo(asInt(x.sums16First), static_cast<int>(high), 0));
        return halfAt(supers, 0) * static_cast<float>(sum) - halfAt(supers, 1) * static_cast<float>(minimum);
    } else if constexpr (T == DType::Q3_K || T == DType::Q6_K) {
        int sum = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) sum += dots[i] * signedByte(scales, i);
        const int offset = __dp2a_hi(asInt(x.sums16Second), static_cast<int>(scales),
                                     __dp2a_lo(asInt(x.sums16First), static_cast<int>(scales), 0));
        return halfAt(supers, 0) * static_cast<float>(sum - (T == DType::Q3_K ? 4 : 32) * offset);
    } else if constexpr (T == DType::IQ4_XS) {
        return halfAt(supers, 0) *
               static_cast<float>(dots[0] * signedByte(scales, 0) + dots[1] * signedByte(scales, 1));
    } else if constexpr (T == DType::Q4_1 || T == DType::Q5_1) {
        float sum = halfAt(scales, 0) * static_cast<float>(dots[0]);
        sum = fmaf(halfAt(scales, 1), static_cast<float>(dots[1]), sum);
        sum = fmaf(halfAt(minimums, 0), static_cast<float>(x.sums32.x), sum);
        return fmaf(halfAt(minimums, 1), static_cast<float>(x.sums32.y), sum);
    } else {
        constexpr int kOffset = T == DType::Q4_0 ? 8 : T == DType::Q5_0 ? 16 : 0;
        const float sum = halfAt(scales, 0) * static_cast<float>(dots[0] - kOffset * x.sums32.x);
        return fmaf(halfAt(scales, 1), static_cast<float>(dots[1] - kOffset * x.sums32.y), sum);
    }
}

/// Adds one tile's products of 16 matrix rows and 8 activation rows to the lane's sums:
/// (row g, column 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). kSingle: only column 0 is wanted.
template <DType T, int kColumnTiles, bool kSingle>
__device__ inline void addTile(float (&sums)[kColumnTiles][4], const LaneTile<T>& tile, uint2 supers,
                               const ActivationView& x, int rows, int kTile, int lane) {
    using Facts = TypeFacts<T>;
    const int g = lane / 4, t = lane % 4;
    uint32_t r[8];
    unpackTile<T>(tile, r);
#pragma unroll
    for (int c = 0; c < kColumnTiles; ++c) {
        uint4 words = {0, 0, 0, 0};
        const int operandRow = c * 8 + g;
        if (operandRow < (kSingle ? 1 : rows))
            words = *reinterpret_cast<const uint4*>(
                x.quants + (static_cast<size_t>(operandRow) * x.groups + kTile) * 64 + t * 16);
        int dots[4][4] = {};  // [column and row half as in `sums`][group]
#pragma unroll
        for (int group = 0; group < 64 / Facts::kGroup; ++group) {
            const uint32_t b[4] = {words.x, words.y, words.z, words.w};
            int d[4] = {0, 0, 0, 0};
            if constexpr (Facts::kGroup == 32)
                mmaS8K32(d, &r[group * 4], b[group * 2], b[group * 2 + 1]);
            else
                mmaS8K16(d, r[group * 2], r[group * 2 + 1], b[group]);
#pragma unroll
            for (int i = 0; i < 4; ++i) dots[i][group] = d[i];
        }
#pragma unroll
        for (int column = 0; column < (kSingle ? 1 : 2); ++column) {
            // Columns beyond the rows have zero operands; reading the last row's facts for them is harmless.
            const int row = kSingle ? 0 : min(c * 8 + 2 * t + column, rows - 1);
            const GroupFacts facts = x.facts[static_cast<size_t>(row) * x.groups + kTile];
            const float low = combineGroups<T>(dots[column], tile.scales.x,
                                               Facts::kMinimums ? tile.minimums.x : 0U, supers.x, facts);
            const float high = combineGroups<T>(dots[2 + column], tile.scales.y,
                                                Facts::kMinimums ? tile.minimums.y : 0U, supers.y, facts);
            sums[c][column] = fmaf(facts.scale, low, sums[c][column]);
            sums[c][2 + column] = fmaf(facts.scale, high, sums[c][2 + column]);
        }
    }
}

/// Adds the warps' partial sums of one row tile and writes the results. partial [warps, kColumnTiles, 4, 32
/// lanes] in shared memory, complete; `thread` counts 0 .. 255 within the block's 8 warps.
template <int kColumnTiles, bool kSingle>
__device__ inline void writeSums(const float* partial, const DecodeProduct& product, int rowTile, int rows,
                                 int thread) {
    constexpr int kValues = kColumnTiles * 128;
    for (int index = thread; index < kValues; index += kDecodeWarps * 32) {
        const int c = index / 128, i = index / 32 % 4, from = index % 32;
        const int matrixRow = rowTile * 16 + from / 4 + i / 2 * 8, row = c * 8 + from % 4 * 2 + i % 2;
        if (matrixRow >= product.w.rows || row >= (kSingle ? 1 : rows)) continue;
        float sum = 0.0F;
#pragma unroll
        for (int warp = 0; warp < kDecodeWarps; ++warp) sum += partial[warp * kValues + index];
        if (product.bias != nullptr) sum += product.bias[matrixRow];
        product.out[static_cast<size_t>(row) * product.outStride + matrixRow] = sum;
    }
}

}  // namespace kernels::detail
