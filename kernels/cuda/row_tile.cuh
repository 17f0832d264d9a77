#pragma once

#include "kernels/cuda/decode_tile.cuh"
#include "kernels/cuda/launch.cuh"

/// What the blocks of the decode products are made of: a warp's spans in registers, its sums, and a row tile
/// by eight warps.
namespace kernels::detail {

inline constexpr int kTileThreads = kDecodeWarps * 32;  ///< of a row tile

/// What the block's warps share.
template <int kColumns>
struct TileSums {
    float partial[kSlices * kColumns * 16];
    float rowScales[kColumns];
};

constexpr int columnsOf(int columnTiles) {
    return columnTiles == 0 ? 1 : columnTiles * 8;
}

/// A span of a row tile in a warp's registers.
template <DType T, int kColumnTiles>
struct Span {
    LaneTile<T> tiles[kSpanTiles];
    LaneScales<T> scales;

    /// `data`: the span's. Most spans of a single row's products are full and need no counting.
    __device__ __forceinline__ void load(const std::byte* data, int count, int lane) {
        if (kColumnTiles == 0 && count == kSpanTiles)
            loadTiles<kSpanTiles>(data, count, lane);
        else
            loadTiles<0>(data, count, lane);
    }

  private:
    template <int kTiles>
    __device__ __forceinline__ void loadTiles(const std::byte* data, int count, int lane) {
        const SpanLayout<T> layout{kTiles != 0 ? kTiles : count};
#pragma unroll
        for (int i = 0; i < kSpanTiles; ++i)
            if (i < layout.tiles) tiles[i] = loadTile<T>(data, layout, i, lane);
        if constexpr (kColumnTiles == 0)
            scales = loadScales<T>(data, layout, lane);
        else
            scales.supers = loadSupers<T>(data, layout, lane);
    }
};

/// A warp's sums of one slice. kUncounted: full spans are added without counting their tiles, which is faster
/// where there are registers for it.
template <DType T, int kColumnTiles, bool kUncounted>
struct SliceSums {
    float single[2] = {0.0F, 0.0F};
    float sums[kSpanTiles][kColumnTiles == 0 ? 1 : kColumnTiles][4] = {};

    __device__ __forceinline__ void add(const Span<T, kColumnTiles>& at, int tiles, const ActivationView& x,
                                        int rows, int span, int lane) {
        if constexpr (kColumnTiles == 0) {
            const auto tileOf = [&](int i) { return at.tiles[i]; };
            if (kUncounted && tiles == kSpanTiles)
                addSpan<T, kSpanTiles>(single, tileOf, at.scales, tiles, x, span, lane);
            else
                addSpan<T, 0>(single, tileOf, at.scales, tiles, x, span, lane);
        } else {
#pragma unroll
            for (int i = 0; i < kSpanTiles; ++i)
                if (i < tiles)
                    addTile<T, kColumnTiles>(sums[i], at.tiles[i], at.scales.supers, x, rows,
                                             span * kSpanTiles + i, lane);
        }
    }
    /// `to` [columns, 16] of the slice.
    __device__ __forceinline__ void store(float* to, int lane) const {
        const int g = lane / 4, t = lane % 4;
        if constexpr (kColumnTiles == 0) {
            const float low = sumOfTiles(single[0]), high = sumOfTiles(single[1]);
            if (t == 0) to[g] = low, to[g + 8] = high;
        } else {
#pragma unroll
            for (int c = 0; c < kColumnTiles; ++c)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    to[(c * 8 + 2 * t + i % 2) * 16 + g + i / 2 * 8] =
                        (sums[0][c][i] + sums[1][c][i]) + (sums[2][c][i] + sums[3][c][i]);
        }
    }
};

/// 16 matrix rows by kWarps warps, `warp` counts from 0; each takes its slices one after the other. A warp
/// asks for all tiles of a span at once, and for its first span before it waits for the kernel before it.
/// With kAhead it also asks for the next span before it multiplies the one at hand: more registers a thread,
/// right where a matrix has too few rows to fill the card with blocks. kColumnTiles 0: one activation row.
/// Fewer warps than kDecodeWarps take kSlices spans a row tile and more. `shared` is complete once all warps
/// are through.
template <DType T, int kColumnTiles, bool kAhead, bool kUncounted = true, int kWarps = kDecodeWarps>
__device__ __forceinline__ void multiplyRowTile(const MatrixProduct& product, int rowTile,
                                                const ActivationView& x, int rows, int warp,
                                                TileSums<columnsOf(kColumnTiles)>& shared) {
    constexpr int kColumns = columnsOf(kColumnTiles), kOwn = kSlices / kWarps;
    const int lane = static_cast<int>(threadIdx.x % 32);
    const PackedMatrix& w = product.w;
    // The spans of the first slice, then those of the next.
    int begins[kOwn];
#pragma unroll
    for (int s = 0; s < kOwn; ++s) begins[s] = firstSpan(rowTile, w.spans, warp + s * kWarps);
    const auto beginAfter = [&](int slice) {
        int begin = begins[1];
#pragma unroll
        for (int s = 2; s < kOwn; ++s)
            if (slice == s - 1) begin = begins[s];
        return begin;
    };
    const auto nextOf = [&](int slice, int span) {
        span += kSlices;
        return slice < kOwn - 1 && span >= w.spans ? beginAfter(slice) : span;
    };
    const std::byte* data = w.data + static_cast<size_t>(rowTile) * w.rowTileBytes;
    const auto load = [&](Span<T, kColumnTiles>& to, int which) {
        to.load(data + which * SpanLayout<T>::kFullBytes, spanTiles(w, which), lane);
    };
    Span<T, kColumnTiles> at, next;
    int slice = begins[0] < w.spans ? 0 : 1, span = begins[slice];
    int following = nextOf(slice, span);
    if (span < w.spans) load(at, span);
    if constexpr (kAhead)
        if (following < w.spans) load(next, following);
    letSuccessorStart();
    waitForPredecessor();
    RowScales<kColumnTiles == 2 ? 2 : 1> scales;
    scales.load(x, rows, warp, lane);
    // Before the weights are there; several rows have no registers left for it.
    if constexpr (kColumnTiles == 0) scales.store(shared.rowScales, x, rows, warp, lane);
#pragma unroll 1
    for (int s = 0; s < kOwn; ++s) {
        SliceSums<T, kColumnTiles, kUncounted> sums;
        while (slice == s && span < w.spans) {
            sums.add(at, spanTiles(w, span), x, rows, span, lane);
            if (slice < kOwn - 1 && span + kSlices >= w.spans) ++slice;
            span = following;
            following = nextOf(slice, span);
            if constexpr (kAhead) {
                at = next;
                if (following < w.spans) load(next, following);
            } else if (span < w.spans) {
                load(at, span);
            }
        }
        sums.store(shared.partial + (warp + s * kWarps) * kColumns * 16, lane);
    }
    if constexpr (kColumnTiles > 0) scales.store(shared.rowScales, x, rows, warp, lane);
}

__device__ __forceinline__ int ownWarp() {
    return static_cast<int>(threadIdx.x / 32);
}

}  // namespace kernels::detail
