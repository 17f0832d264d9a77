// Attention of single rows in one launch, where the card has clusters, units are few and no sequence has two
// rows: the eight blocks of a cluster take all units of a row and KV head. They rotate the queries, make the
// row's own K and V, and merge through one another's shared memory, in the order of attention_units.cu.
#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/head_rotation.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/unit_tokens.cuh"

namespace kernels::detail {
namespace {

constexpr int kClusterBlocks = 8;
constexpr int kClusterWarps = 8;  ///< of a block, at most

/// The lane's values of a head, as HeadRotation has them. Lanes of one head have the same `from`; null:
/// zeros.
template <int kDim>
__device__ __forceinline__ void readHead(float (&values)[kDim / 32][8], const float* from) {
    const int t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
    for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float4 four = from != nullptr
                                    ? *reinterpret_cast<const float4*>(from + 32 * i + 8 * t + 4 * half)
                                    : float4{0.0F, 0.0F, 0.0F, 0.0F};
            float* to = &values[i][4 * half];
            to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
        }
}

/// Norms (where there is one) and rotates such a head.
template <int kDim>
__device__ __forceinline__ void rotateHead(float (&values)[kDim / 32][8], const float* norm,
                                           const RopeStore& store, const HeadRotation<kDim>& rotation) {
    const int t = static_cast<int>(threadIdx.x % 4);
    if (norm != nullptr) {
        float squares = 0.0F;
#pragma unroll
        for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
            for (int j = 0; j < 8; ++j) squares = fmaf(values[i][j], values[i][j], squares);
        const float scale = headScale(squares, kDim, store.normEpsilon);
#pragma unroll
        for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
            for (int j = 0; j < 8; ++j) values[i][j] = values[i][j] * scale * norm[32 * i + 8 * t + j];
    }
    rotation.apply(values, store.pairs);
}

__device__ __forceinline__ uint4 packEight(const float (&values)[8]) {
    return {packHalves(values[0], values[1]), packHalves(values[2], values[3]),
            packHalves(values[4], values[5]), packHalves(values[6], values[7])};
}

/// The row's own K and V, which are not in the cache when the unit begins: every lane's pieces of them, as
/// the cache would give them.
template <KvType T, int kDim>
struct OwnRow {
    uint4 key[kDim / 32], value[kDim / 64];

    /// Finds them and puts them into the cache, at token `slot`. `staged` [kDim] in shared memory is the
    /// warp's own.
    __device__ __forceinline__ void make(const UnitArguments& args, const UnitPlace& place, int slot,
                                         const HeadRotation<kDim>& rotation, float* staged) {
        const KvLayer& layer = args.layer;
        const RopeStore& store = args.store;
        const int lane = static_cast<int>(threadIdx.x % 32), g = lane / 4, t = lane % 4;
        const float* from =
            store.value + static_cast<size_t>(place.row) * store.valueStride + place.kvHead * kDim;
        const HeadRows rows = headRows(layer, slot / layer.blockTokens, place.kvHead);
        const auto token = static_cast<size_t>(slot % layer.blockTokens);
        std::byte* keyRow = const_cast<std::byte*>(rows.keys) + token * layer.keyRowBytes();
        std::byte* valueRow = const_cast<std::byte*>(rows.values) + token * layer.valueRowBytes();
        float values[kDim / 32][8];
        if constexpr (T == KvType::F16) {
            float own[kDim / 64][8];
#pragma unroll
            for (int c = 0; c < kDim / 64; ++c) loadEight(from, 64 * c + 8 * g, kDim, own[c]);
            readHead<kDim>(values, keyOf(store, place));
            rotateHead<kDim>(values, store.keyNorm, store, rotation);
#pragma unroll
            for (int i = 0; i < kDim / 32; ++i) {
                key[i] = packEight(values[i]);
                if (g == i) reinterpret_cast<uint4*>(keyRow)[4 * i + t] = key[i];
            }
#pragma unroll
            for (int c = 0; c < kDim / 64; ++c) {
                value[c] = packEight(own[c]);
                if (t == c) reinterpret_cast<uint4*>(valueRow)[8 * c + g] = value[c];
            }
        } else {
            readHead<kDim>(values, keyOf(store, place));
            rotateHead<kDim>(values, store.keyNorm, store, rotation);
            if (g == 0)
#pragma unroll
                for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
                    for (int j = 0; j < 8; ++j) staged[32 * i + 8 * t + j] = values[i][j];
            __syncwarp();
            storeKvRow(keyRow, layer.type, kDim, [staged](int k) { return staged[k]; });
            storeKvRow(valueRow, layer.type, kDim, [from](int k) { return from[k]; });
            __syncwarp();
#pragma unroll
            for (int i = 0; i < kDim / 32; ++i) key[i] = loadKvHalves<T, kDim>(keyRow, 32 * i + 8 * t);
#pragma unroll
            for (int c = 0; c < kDim / 64; ++c) value[c] = loadKvHalves<T, kDim>(valueRow, 64 * c + 8 * g);
        }
    }
    __device__ static const float* keyOf(const RopeStore& store, const UnitPlace& place) {
        return store.key + static_cast<size_t>(place.row) * store.keyStride + place.kvHead * kDim;
    }

    /// Into the rows of a tile, of which it is token `own`, the last one seen.
    __device__ __forceinline__ void replace(typename AttentionUnit<T, kDim>::Rows& rows, int own,
                                            int from) const {
        const int g = static_cast<int>(threadIdx.x % 32) / 4;
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
            for (int i = 0; i < kDim / 32; ++i)
                if (8 * j + g == own) rows.keys[j][i] = key[i];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const bool isOwn = AttentionUnit<T, kDim>::tokenOf(i, from, own + 1) == own;
#pragma unroll
            for (int c = 0; c < kDim / 64; ++c)
                if (isOwn) rows.values[c][i] = value[c];
        }
    }
};

/// A head's sums of a unit in shared memory, with its maximum and total behind them; aligned to 16 bytes.
template <int kDim>
constexpr int kStagedFloats = kDim + 4;

/// One warp's unit of a row whose K and V are still to be made: it asks for its first tokens before it waits
/// for the kernel before it, and its sums go to `to`, [heads, kStagedFloats<kDim>]. `staged` [kDim] is the
/// warp's own.
template <KvType T, int kDim>
__device__ __forceinline__ void attendRotating(const UnitArguments& args, const UnitPlace& place,
                                               const UnitRange& range, int index, float* staged, float* to) {
    const UnitTokens<T, kDim> tokens(args, place, range, index);
    typename AttentionUnit<T, kDim>::Rows rows;
    tokens.load(rows, tokens.first());
    const int slot = args.tables.slots[place.row];
    waitForPredecessor();
    const RopeStore& store = args.store;
    float values[kDim / 32][8];
    readHead<kDim>(values, queryOf<kDim>(args, place));
    HeadRotation<kDim> rotation;
    rotation.load(
        reinterpret_cast<const float2*>(store.rotations) + static_cast<size_t>(place.row) * (kDim / 2),
        store.pairs, static_cast<int>(threadIdx.x % 4));
    OwnRow<T, kDim> ownRow;
    if (index == range.last) ownRow.make(args, place, slot, rotation, staged);
    rotateHead<kDim>(values, store.queryNorm, store, rotation);
    scaleQueries<kDim>(values, args.shape.scale);
    AttentionUnit<T, kDim> unit(values);
    for (int first = tokens.first(); first < tokens.end(); first += 16) {
        if (first != tokens.first()) tokens.load(rows, first);
        if (place.position < first + 16) ownRow.replace(rows, place.position - first, tokens.seenFrom(first));
        unit.add(rows, tokens.seenFrom(first), tokens.seenTo(first), args.shape.softcap);
    }
    unit.store(to, kStagedFloats<kDim>, place.heads);
}

/// What a block of a cluster gets of each unit for 64 columns that it merges: their sums, then the unit's
/// maximum and total.
constexpr int kReceivedFloats = 64 + 4;
/// Dynamic shared memory of a block of eight warps with eight heads of 128 values.
constexpr int kMostClusterBytes = 72 << 10;

/// A warp's unit from its place in shared memory to the blocks that merge its columns: block b of the cluster
/// merges columns 64 b … of the heads, 64 (b + 8) …, in that order.
template <int kDim>
__device__ __forceinline__ void sendUnit(float* received, const float* staged, int heads, int unit,
                                         int capacity) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    __syncwarp();
    for (int group = lane / 16; group < heads * kDim / 64; group += 2) {
        const float* from = staged + group * 64 / kDim * kStagedFloats<kDim>;
        float* to = inBlockOfCluster(received, group % kClusterBlocks) +
                    (group / kClusterBlocks * capacity + unit) * kReceivedFloats;
        const int column = lane % 16 * 4;
        *reinterpret_cast<float4*>(to + column) =
            *reinterpret_cast<const float4*>(from + group * 64 % kDim + column);
        if (column == 0) *reinterpret_cast<float2*>(to + 64) = *reinterpret_cast<const float2*>(from + kDim);
    }
}

/// Merges at most 64 units that one warp has received, in the order of mergeUnitsKernel. `weights` [64] in
/// shared memory is the warp's own.
__device__ __forceinline__ void mergeReceived(const ActivationView& out, int row, int group, int units,
                                              const float* received, float2* weights) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    float2 facts[2] = {{-INFINITY, 0.0F}, {-INFINITY, 0.0F}};
#pragma unroll
    for (int i = 0; i < 2; ++i)
        if (lane + 32 * i < units)
            facts[i] = *reinterpret_cast<const float2*>(received + (lane + 32 * i) * kReceivedFloats + 64);
    const float largest = warpMax(fmaxf(facts[0].x, facts[1].x));
#pragma unroll
    for (int i = 0; i < 2; ++i) weights[lane + 32 * i] = {expf(facts[i].x - largest), facts[i].y};
    __syncwarp();
    float results[2] = {0.0F, 0.0F}, all = 0.0F;
#pragma unroll 4
    for (int run = 0; run < min(units, kRuns); ++run) {
        float total = 0.0F, sum[2] = {0.0F, 0.0F};
#pragma unroll
        for (int i = 0; i < 64 / kRuns; ++i) {
            const int unit = run + i * kRuns;
            if (unit >= units) break;
            const float2 weight = weights[unit];
            const float* piece = received + unit * kReceivedFloats;
            total = fmaf(weight.x, weight.y, total);
            sum[0] = fmaf(weight.x, piece[lane], sum[0]);
            sum[1] = fmaf(weight.x, piece[lane + 32], sum[1]);
        }
        all += total;
        results[0] += sum[0];
        results[1] += sum[1];
    }
    storeGroup(out, row, group, results[0] / all, results[1] / all);
}

/// A cluster of eight blocks for a row and KV head: block b has the units b * warps … of those in sight.
/// Dynamic shared memory: [warps, headsPerBlock, kStagedFloats] sums of the warps' units, [kDim] the row's
/// own key, [groups that the block merges, 8 warps, kReceivedFloats] what it receives.
template <KvType T, int kDim>
__global__ void __launch_bounds__(kClusterWarps * 32)
    clusterKernel(ActivationView out, const __grid_constant__ UnitArguments args) {
    extern __shared__ float4 memory[];
    __shared__ float2 weights[kClusterWarps][kClusterBlocks * kClusterWarps];
    clusterArrive();  // the others' memory may be written once all have begun
    letSuccessorStart();
    const UnitPlace place(args);
    const UnitRange range(place.position, args.shape.window);
    const int warp = static_cast<int>(threadIdx.x / 32), warps = static_cast<int>(blockDim.x / 32);
    const int rank = static_cast<int>(blockIdx.x), unit = rank * warps + warp, index = range.first + unit;
    const int capacity = kClusterBlocks * warps, units = range.last - range.first + 1;
    const int pieceFloats = args.shape.headsPerBlock * kStagedFloats<kDim>;
    auto* pieces = reinterpret_cast<float*>(memory);
    float *own = pieces + warps * pieceFloats, *received = own + kDim;
    if (index <= range.last)
        attendRotating<T, kDim>(args, place, range, index, own, pieces + warp * pieceFloats);
    clusterWait();
    if (index <= range.last)
        sendUnit<kDim>(received, pieces + warp * pieceFloats, place.heads, unit, capacity);
    clusterArrive();
    clusterWait();
    for (int slot = warp; slot * kClusterBlocks + rank < place.heads * kDim / 64; slot += warps)
        mergeReceived(out, place.row, place.firstHead * kDim / 64 + slot * kClusterBlocks + rank, units,
                      received + slot * capacity * kReceivedFloats, weights[warp]);
}

}  // namespace

bool attendsInClusters(const RopeStore& store, const KvLayer& layer, const StepRows& rows) {
    const auto isAligned = [](const float* data, int stride) {
        return reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride % 4 == 0;
    };
    return overlapsLaunches() && attendsInUnits(layer) && rows.rows.prefill == 0 &&
           rows.maxRowsPerSequence == 1 &&
           unitCapacity(rows.maxContextLength) <= kClusterBlocks * kClusterWarps &&
           store.dimensions == layer.keyDim && isAligned(store.query, store.queryStride) &&
           isAligned(store.key, store.keyStride) && isAligned(store.value, store.valueStride);
}

void attendClusters(const ActivationView& out, const RopeStore& store, const KvLayer& layer,
                    const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                    cudaStream_t stream) {
    const UnitArguments args = argumentsOf(store.query, store.queryStride, layer, rows, tables, shape, store);
    dim3 grid = gridOf(args);
    grid.x = kClusterBlocks;
    const int warps = ceilDiv(args.shape.splits, kClusterBlocks);
    const int merged = ceilDiv(args.shape.headsPerBlock * layer.keyDim / 64, kClusterBlocks);
    dispatchUnits(layer, [&]<KvType T, int kDim>() {
        const size_t floats = static_cast<size_t>(warps) * args.shape.headsPerBlock * kStagedFloats<kDim> +
                              kDim + static_cast<size_t>(merged) * kClusterBlocks * warps * kReceivedFloats;
        static const bool hasRoom = [] {
            checkCuda(cudaFuncSetAttribute(clusterKernel<T, kDim>,
                                           cudaFuncAttributeMaxDynamicSharedMemorySize, kMostClusterBytes),
                      "room for a cluster's sums");
            return true;
        }();
        (void)hasRoom;
        launchClusters("clusterKernel", clusterKernel<T, kDim>, kClusterBlocks, grid, warps * 32,
                       floats * sizeof(float), stream, out, args);
    });
}

}  // namespace kernels::detail
