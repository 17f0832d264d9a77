#include "kernels/cuda/packed_weight.h"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/packed_tile.cuh"
#include "kernels/cuda/stored_blocks.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = 256;

struct StoredRows {
    const uint8_t* data;  ///< the first of `count` rows
    size_t rowBytes;
    int first, count, columns;
};

/// One thread a lane of a tile: gathers its 32 quants and writes them to the planes the type has.
template <DType T>
__global__ void repackQuants(PackedMatrix w, StoredRows stored, int tiles) {
    using Facts = TypeFacts<T>;
    constexpr StoredBlock kBlock = storedBlock(T);
    const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int tile = index / 32, lane = index % 32;
    if (tile >= tiles) return;
    const int rowTile = tile / w.kTiles, kTile = tile % w.kTiles;
    uint32_t quads[4] = {}, pairs[2] = {}, single = 0, bytes[8] = {};
    for (int r = 0; r < 8; ++r) {
        const int row = rowTile * 16 + lane / 4 + 8 * (r % 2);
        for (int j = 0; j < 4; ++j) {
            const int k = kTile * 64 + r / 4 * 32 + r / 2 % 2 * 16 + columnInStep(lane % 4, j);
            uint32_t q = 0;
            if (row < stored.count && k < stored.columns)
                q = storedQuant<T>(stored.data + row * stored.rowBytes + k / kBlock.elements * kBlock.bytes,
                                   k % kBlock.elements);
            if constexpr (Facts::kBytes) bytes[r] |= q << (8 * j);
            if constexpr (Facts::kQuads) quads[r % 4] |= (q & 15U) << (8 * j + r / 4 * 4);
            if constexpr (Facts::kPairs)
                pairs[r / 4] |= ((Facts::kQuads ? q >> 4 : q) & 3U) << (8 * j + r % 4 * 2);
            if constexpr (Facts::kSingles) single |= (Facts::kQuads ? q >> 4 : q >> 2) << (8 * j + r);
        }
    }
    auto* span = const_cast<std::byte*>(spanData<T>(w, stored.first / 16 + rowTile, kTile / kSpanTiles));
    const SpanLayout<T> layout{spanTiles(w, kTile / kSpanTiles)};
    const int at = kTile % kSpanTiles * 32 + lane;
    if constexpr (Facts::kQuads)
        reinterpret_cast<uint4*>(span + layout.quads())[at] = {quads[0], quads[1], quads[2], quads[3]};
    if constexpr (Facts::kPairs) reinterpret_cast<uint2*>(span + layout.pairs())[at] = {pairs[0], pairs[1]};
    if constexpr (Facts::kSingles) reinterpret_cast<uint32_t*>(span + layout.singles())[at] = single;
    if constexpr (Facts::kBytes) {
        auto* to = reinterpret_cast<uint4*>(span + layout.bytes()) + kTile % kSpanTiles * 64 + lane;
        to[0] = {bytes[0], bytes[1], bytes[2], bytes[3]};
        to[32] = {bytes[4], bytes[5], bytes[6], bytes[7]};
    }
}

/// One thread a row of a tile: its words of scales.
template <DType T>
__global__ void repackScales(PackedMatrix w, StoredRows stored, int tiles) {
    using Facts = TypeFacts<T>;
    const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int tile = index / 16, within = index % 16;
    if (tile >= tiles) return;
    const int rowTile = tile / w.kTiles, kTile = tile % w.kTiles;
    const int row = rowTile * 16 + within;
    const bool there = row < stored.count;
    const uint8_t* data = stored.data + static_cast<size_t>(there ? row : 0) * stored.rowBytes;
    auto* span = const_cast<std::byte*>(spanData<T>(w, stored.first / 16 + rowTile, kTile / kSpanTiles));
    const SpanLayout<T> layout{spanTiles(w, kTile / kSpanTiles)};
    const int at = (kTile % kSpanTiles * 8 + within % 8) * 2 + within / 8;
    const int k = kTile * 64;
    const auto store = [&](int offset, int index, uint32_t word) {
        reinterpret_cast<uint32_t*>(span + offset)[index] = there ? word : 0;
    };
    store(layout.scales(), at, storedScales<T>(data, k, stored.columns));
    if constexpr (Facts::kMinimums) store(layout.minimums(), at, storedMinimums<T>(data, k, stored.columns));
    if constexpr (Facts::kSupers)
        if (kTile % kSpanTiles == 0)
            store(layout.supers(), within % 8 * 2 + within / 8, storedSupers<T>(data, k));
}

/// One warp a tile: every lane turns its 32 quants into values. Neighbouring lanes exchange pairs of columns,
/// so that each writes four adjacent ones at a time.
template <DType T>
__global__ void __launch_bounds__(kThreads)
    unpackTiles(__nv_bfloat16* out, PackedMatrix w, int firstRow, int count) {
    waitForPredecessor();
    const int index = static_cast<int>(blockIdx.x * (kThreads / 32) + threadIdx.x / 32);
    const int lane = static_cast<int>(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    const int rowTile = index / w.kTiles, kTile = index % w.kTiles;
    if (rowTile * 16 >= count) return;
    const std::byte* span = spanData<T>(w, firstRow / 16 + rowTile, kTile / kSpanTiles);
    const SpanLayout<T> layout{spanTiles(w, kTile / kSpanTiles)};
    const LaneTile<T> tile = loadTile<T>(span, layout, kTile % kSpanTiles, lane);
    const uint2 supers = loadSupers<T>(span, layout, lane);
    uint32_t r[8];
    unpackTile<T>(tile, r);
    const LaneScale<T> scale(tile, supers);
    const bool isOdd = t % 2 != 0;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        const int row = rowTile * 16 + g + 8 * h;
        __nv_bfloat16* to = out + static_cast<size_t>(row) * w.columns;
#pragma unroll
        for (int quarter = 0; quarter < 4; ++quarter) {
            const uint2 own = unpackFour<T>(scale, r, quarter, h);  // columns 2 t, 2 t + 1 and eight further
            const uint32_t other = __shfl_xor_sync(0xffffffffU, isOdd ? own.x : own.y, 1);
            const int column = kTile * 64 + quarter * 16 + (isOdd ? 8 + 2 * (t - 1) : 2 * t);
            if (row < count && column < w.columns)
                *reinterpret_cast<uint2*>(to + column) = isOdd ? uint2{other, own.y} : uint2{own.x, other};
        }
    }
}

__global__ void plainRowsToBf16(__nv_bfloat16* out, PackedMatrix w, int firstRow, int count) {
    const size_t index = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const size_t first = static_cast<size_t>(firstRow) * w.columns;
    if (index < static_cast<size_t>(count) * w.columns)
        out[index] = __float2bfloat16(plainValue(w, first + index));
}

template <DType T>
__global__ void gatherRowsOf(float* out, PackedMatrix w, const int32_t* ids, float scale) {
    waitForPredecessor();
    const int row = ids[blockIdx.x];
    for (int k = static_cast<int>(threadIdx.x); k < w.columns; k += kThreads)
        out[static_cast<size_t>(blockIdx.x) * w.columns + k] = packedValue<T>(w, row, k) * scale;
}

__global__ void gatherPlainRows(float* out, PackedMatrix w, const int32_t* ids, float scale) {
    waitForPredecessor();
    const int row = ids[blockIdx.x];
    for (int k = static_cast<int>(threadIdx.x); k < w.columns; k += kThreads)
        out[static_cast<size_t>(blockIdx.x) * w.columns + k] =
            plainValue(w, static_cast<size_t>(row) * w.columns + k) * scale;
}

}  // namespace

bool isPlain(DType type) {
    return type == DType::F32 || type == DType::F16 || type == DType::BF16;
}

PackedMatrix packedView(DType type, uint64_t rows, uint64_t columns, std::byte* memory) {
    PackedMatrix w;
    w.type = type;
    w.rows = static_cast<int>(rows);
    w.columns = static_cast<int>(columns);
    w.rowTiles = ceilDiv(w.rows, 16);
    w.kTiles = ceilDiv(w.columns, 64);
    w.spans = ceilDiv(w.kTiles, kSpanTiles);
    w.data = memory;
    if (!isPlain(type))
        dispatchQuantised(type, [&]<DType T>() {
            const SpanLayout<T> last{spanTiles(w, w.spans - 1)};
            w.rowTileBytes = static_cast<size_t>(w.spans - 1) * SpanLayout<T>::kFullBytes + last.total();
        });
    return w;
}

size_t packedBytes(DType type, uint64_t rows, uint64_t columns) {
    if (isPlain(type)) return rows * rowBytes(type, columns);
    const PackedMatrix w = packedView(type, rows, columns, nullptr);
    return static_cast<size_t>(w.rowTiles) * w.rowTileBytes;
}

void repack(const PackedMatrix& to, const std::byte* stored, int firstRow, int count, cudaStream_t stream) {
    const StoredRows rows{reinterpret_cast<const uint8_t*>(stored), rowBytes(to.type, to.columns), firstRow,
                          count, to.columns};
    const int tiles = ceilDiv(count, 16) * to.kTiles;
    dispatchQuantised(to.type, [&]<DType T>() {
        repackQuants<T><<<ceilDiv(tiles * 32, kThreads), kThreads, 0, stream>>>(to, rows, tiles);
        checkLaunch("repackQuants");
        repackScales<T><<<ceilDiv(tiles * 16, kThreads), kThreads, 0, stream>>>(to, rows, tiles);
        checkLaunch("repackScales");
    });
}

void unpackToBf16(void* out, const PackedMatrix& from, int firstRow, int count, cudaStream_t stream) {
    auto* to = static_cast<__nv_bfloat16*>(out);
    const size_t values = static_cast<size_t>(count) * from.columns;
    const auto blocks = [](size_t threads) {
        return static_cast<unsigned>(ceilDiv<size_t>(threads, kThreads));
    };
    if (isPlain(from.type))
        plainRowsToBf16<<<blocks(values), kThreads, 0, stream>>>(to, from, firstRow, count);
    else
        dispatchQuantised(from.type, [&]<DType T>() {
            const int tiles = ceilDiv(count, 16) * from.kTiles;
            unpackTiles<T><<<ceilDiv(tiles, kThreads / 32), kThreads, 0, stream>>>(to, from, firstRow, count);
        });
    checkLaunch("unpackToBf16");
}

void gatherPackedRows(float* out, const PackedMatrix& table, const int32_t* ids, float scale, int count,
                      cudaStream_t stream) {
    if (isPlain(table.type))
        launch("gatherRows", gatherPlainRows, dim3(count), kThreads, 0, stream, out, table, ids, scale);
    else
        dispatchQuantised(table.type, [&]<DType T>() {
            launch("gatherRows", gatherRowsOf<T>, dim3(count), kThreads, 0, stream, out, table, ids, scale);
        });
}

}  // namespace kernels::detail
