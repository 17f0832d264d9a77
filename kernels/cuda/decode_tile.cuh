#pragma once

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/matmul_decode.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/packed_tile.cuh"
#include "kernels/cuda/product_set.cuh"

/// What the decode product computes: of 16 matrix rows, each of sixteen *slices* adds every sixteenth span in
/// ascending order, the tiles of a span in ascending order, and the slices are added in order. Slices go
/// round from row tile to row tile, so that few spans a row keep many warps busy. Any number of warps may
/// share the slices.
namespace kernels::detail {

inline constexpr int kDecodeWarps = 8;
inline constexpr int kSlices = 16;

/// Whether activations lie in the order of packed weights: permutedOffset() and columnInStep() agree.
constexpr bool sharesColumnOrder() {
    for (int k = 0; k < 64; ++k) {
        const int offset = permutedOffset(k), t = offset / 16, step = offset / 4 % 4, byte = offset % 4;
        if (step * 16 + columnInStep(t, byte) != k) return false;
    }
    return true;
}
static_assert(sharesColumnOrder());

/// The first span of a row tile that a slice adds; the next ones follow kSlices apart.
__device__ __forceinline__ int firstSpan(int rowTile, int spans, int slice) {
    return (slice - rowTile * spans) & (kSlices - 1);
}

__device__ inline int asInt(short2 pair) {
    return *reinterpret_cast<const int*>(&pair);
}
__device__ inline int signedByte(uint32_t word, int index) {
    return static_cast<int8_t>(word >> (8 * index));
}

/// One matrix row's and one activation row's 64 products from the integer dot products of their groups, but
/// for the activations' scale.
template <DType T>
__device__ __forceinline__ float combineGroups(const int (&dots)[4], uint32_t scales, uint32_t minimums,
                                               uint32_t supers, const GroupFacts& x) {
    if constexpr (T == DType::Q4_K || T == DType::Q5_K) {
        const int sum =
            dots[0] * static_cast<int>(scales & 255U) + dots[1] * static_cast<int>(scales >> 8 & 255U);
        const int minimum = __dp2a_hi(asInt(x.sums32), static_cast<int>(scales), 0);
        return fmaf(halfAt(supers, 0), static_cast<float>(sum),
                    -__fmul_rn(halfAt(supers, 1), static_cast<float>(minimum)));
    } else if constexpr (T == DType::Q2_K) {
        const uint32_t low = scales & 0x0F0F0F0FU, high = scales >> 4 & 0x0F0F0F0FU;
        int sum = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) sum += dots[i] * static_cast<int>(low >> (8 * i) & 255U);
        const int minimum = __dp2a_hi(asInt(x.sums16Second), static_cast<int>(high),
                                      __dp2a_lo(asInt(x.sums16First), static_cast<int>(high), 0));
        return fmaf(halfAt(supers, 0), static_cast<float>(sum),
                    -__fmul_rn(halfAt(supers, 1), static_cast<float>(minimum)));
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

/// Adds one tile's products of 16 matrix rows and up to 8 activation rows a column tile to the lane's sums:
/// (row g, column 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
template <DType T, int kColumnTiles>
__device__ __forceinline__ void addTile(float (&sums)[kColumnTiles][4], const LaneTile<T>& tile, uint2 supers,
                                        const ActivationView& x, int rows, int kTile, int lane) {
    using Facts = TypeFacts<T>;
    const int g = lane / 4, t = lane % 4;
    uint32_t r[8];
    unpackTile<T>(tile, r);
#pragma unroll
    for (int c = 0; c < kColumnTiles; ++c) {
        uint4 words = {0, 0, 0, 0};
        const int operandRow = c * 8 + g;
        if (operandRow < rows)
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
        for (int column = 0; column < 2; ++column) {
            // Columns beyond the rows have zero operands; reading the last row's facts for them is harmless.
            const int row = min(c * 8 + 2 * t + column, rows - 1);
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

/// What a lane needs of a span's scales for a single activation row: lane t of a row scales tile t of the
/// span.
template <DType T>
struct LaneScales {
    uint2 scales, minimums, supers;
};

template <DType T>
__device__ __forceinline__ LaneScales<T> loadScales(const std::byte* span, SpanLayout<T> layout, int lane) {
    using Facts = TypeFacts<T>;
    const int g = lane / 4, tile = min(lane % 4, layout.tiles - 1);
    LaneScales<T> words{};
    words.scales = reinterpret_cast<const uint2*>(span + layout.scales())[tile * 8 + g];
    if constexpr (Facts::kMinimums)
        words.minimums = reinterpret_cast<const uint2*>(span + layout.minimums())[tile * 8 + g];
    words.supers = loadSupers<T>(span, layout, lane);
    return words;
}

/// Adds one span's products of 16 matrix rows and a single activation row, which all eight columns of the
/// tensor-core product hold: each lane finds every group's dot products, and lane t scales those of tile t of
/// the span into sums[0] (row g) and sums[1] (row g + 8). tileOf(i) gives the lane's words of tile i, without
/// its scales. kTiles: of the span; 0: `tiles` says.
template <DType T, int kTiles, class TileOf>
__device__ __forceinline__ void addSpan(float (&sums)[2], TileOf&& tileOf, const LaneScales<T>& scales,
                                        int tiles, const ActivationView& x, int span, int lane) {
    using Facts = TypeFacts<T>;
    // Nibbles alone need no shift: the high ones count sixteenfold, which the dot products give back.
    constexpr bool kNibbles =
        Facts::kQuads && !Facts::kPairs && !Facts::kSingles && !Facts::kLookup && Facts::kGroup == 32;
    constexpr int kGroups = 64 / Facts::kGroup;
    const int t = lane % 4, firstTile = span * kSpanTiles;
    const GroupFacts facts = x.facts[firstTile + (kTiles != 0 ? t : min(t, tiles - 1))];
    const auto* columns = reinterpret_cast<const uint4*>(x.quants + firstTile * 64) + t;
    int low[4] = {0, 0, 0, 0}, high[4] = {0, 0, 0, 0};  // of the groups of tile t
#pragma unroll
    for (int i = 0; i < kSpanTiles; ++i) {
        if (kTiles == 0 && i >= tiles) break;
        const LaneTile<T> tile = tileOf(i);
        const uint4 own = columns[i * 4];
        const uint32_t b[4] = {own.x, own.y, own.z, own.w};
        uint32_t r[8];
        if constexpr (kNibbles) {
            const uint32_t words[4] = {tile.quads.x, tile.quads.y, tile.quads.z, tile.quads.w};
#pragma unroll
            for (int k = 0; k < 4; ++k) r[k] = words[k] & 0x0F0F0F0FU, r[k + 4] = words[k] & 0xF0F0F0F0U;
        } else {
            unpackTile<T>(tile, r);
        }
#pragma unroll
        for (int group = 0; group < kGroups; ++group) {
            int d[4] = {0, 0, 0, 0};
            if constexpr (kNibbles)
                mmaU8K32(d, &r[group * 4], b[group * 2], b[group * 2 + 1]);
            else if constexpr (Facts::kGroup == 32)
                mmaS8K32(d, &r[group * 4], b[group * 2], b[group * 2 + 1]);
            else
                mmaS8K16(d, r[group * 2], r[group * 2 + 1], b[group]);
            low[group] = i == 0 || t == i ? d[0] : low[group];
            high[group] = i == 0 || t == i ? d[2] : high[group];
        }
    }
    if (kTiles == 0 && t >= tiles) return;
    if constexpr (kNibbles) low[1] >>= 4, high[1] >>= 4;
    sums[0] =
        fmaf(facts.scale, combineGroups<T>(low, scales.scales.x, scales.minimums.x, scales.supers.x, facts),
             sums[0]);
    sums[1] =
        fmaf(facts.scale, combineGroups<T>(high, scales.scales.y, scales.minimums.y, scales.supers.y, facts),
             sums[1]);
}

/// (1st + 2nd) + (3rd + 4th) of the four lanes of a row: their tiles.
__device__ __forceinline__ float sumOfTiles(float sum) {
    sum += __shfl_xor_sync(0xffffffffU, sum, 1);
    return sum + __shfl_xor_sync(0xffffffffU, sum, 2);
}

/// The sums of squares of the rows that leave a norm, asked for before they are needed: warp w has rows w, w
/// + 8, …
template <int kRowsPerWarp>
class RowScales {
  public:
    __device__ __forceinline__ void load(const ActivationView& x, int rows, int warp, int lane) {
#pragma unroll
        for (int i = 0; i < kRowsPerWarp; ++i)
#pragma unroll
            for (int j = 0; j < 2; ++j) {
                const int row = warp + i * kDecodeWarps, group = lane + 32 * j;
                values_[i][j] = x.squares != nullptr && row < rows && group < x.groups
                                    ? x.squares[static_cast<size_t>(row) * x.groups + group]
                                    : 0.0F;
            }
    }
    /// What each row's sums are to be multiplied with, to `scales` in shared memory.
    __device__ __forceinline__ void store(float* scales, const ActivationView& x, int rows, int warp,
                                          int lane) const {
#pragma unroll
        for (int i = 0; i < kRowsPerWarp; ++i) {
            const int row = warp + i * kDecodeWarps;
            if (row >= rows) break;
            float sum = values_[i][0] + values_[i][1];
            if (x.squares != nullptr)
                for (int group = lane + 64; group < x.groups; group += 32)
                    sum += x.squares[static_cast<size_t>(row) * x.groups + group];
            sum = warpSum(sum);
            if (lane == 0)
                scales[row] = x.squares != nullptr
                                  ? rsqrtf(__fmaf_rn(sum, 1.0F / static_cast<float>(x.width), x.epsilon))
                                  : 1.0F;
        }
    }

  private:
    float values_[kRowsPerWarp][2];
};

/// One result: the slices in order, the row's scale, the bias. partial [kSlices, columns, 16 rows] in shared
/// memory, complete.
template <int kColumns>
__device__ __forceinline__ float sumSlices(const float* partial, const float* rowScales,
                                           const MatrixProduct& product, int column, int matrixRow) {
    float sum = 0.0F;
#pragma unroll
    for (int slice = 0; slice < kSlices; ++slice)
        sum += partial[(slice * kColumns + column) * 16 + matrixRow % 16];
    sum = __fmul_rn(sum, rowScales[column]);
    return product.bias != nullptr ? __fadd_rn(sum, product.bias[matrixRow]) : sum;
}

}  // namespace kernels::detail
