// Causal attention of prompt rows on half-precision tensor cores with a running softmax (FlashAttention-2).
//
// Launch: one block of 4 warps for (a tile of rows of one sequence, query heads that share a key-value head,
// split of the sequence). A tile's entries are its rows' heads, row by row, so that keys and values are read
// once for all of them.
// Contexts are summed in splits with fixed borders (Flash-Decoding), so that a chunk of few rows deep in a
// sequence fills the card: each split by a block of its own, joined by mergeKernel in ascending order. Where
// the tiles alone fill the card a block takes all splits of its rows one after the other and joins them
// itself, in the same order and with the same roundings. A row within one split comes out of joining bit by
// bit as it went in.
#include <cstdint>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/prompt_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = kPromptThreads;
constexpr int kMostEntries = 128;  ///< of a tile: (row, query head) pairs
constexpr int kMostPacked = 16;    ///< query heads of a tile
constexpr size_t kPartialFloats = 20U << 20;

/// Splits of a sequence: short ones at first, for the few rows of a chat's next turn, long ones from
/// kShortSplits on, so that there are not too many. Borders are multiples of every tile.
constexpr int kShortSplit = 512, kLongSplit = 2048;
constexpr int kShortSplits = 16, kShortTokens = kShortSplits * kShortSplit;

__host__ __device__ constexpr int splitOf(int token) {
    return token < kShortTokens ? token / kShortSplit : kShortSplits + (token - kShortTokens) / kLongSplit;
}
__host__ __device__ constexpr int splitBegin(int split) {
    return split < kShortSplits ? split * kShortSplit : kShortTokens + (split - kShortSplits) * kLongSplit;
}
__device__ inline bool isBorder(int token) {
    return token % (token < kShortTokens ? kShortSplit : kLongSplit) == 0;
}

struct TileShape {
    float scale, softcap;
    int window, numHeads;
    int groupHeads;   ///< query heads of a key-value head
    int packedHeads;  ///< of a tile; they divide a group
};

/// As many heads of a group as divide it and leave a tile several rows.
int packedHeadsOf(int groupHeads) {
    int heads = groupHeads < kMostPacked ? groupHeads : kMostPacked;
    while (groupHeads % heads != 0) --heads;
    return heads;
}

/// The part of the rows that one launch computes, and how it goes about splits.
struct Splits {
    /// Of splits apart: [sequences, tiles * rows of a tile, numHeads, slots] results of {largest score, sum
    /// of weights, valueDim sums}. Of splits in one block: what its lanes have joined so far, for each block.
    float* partials = nullptr;
    bool apart = false;
    int count = 1;  ///< blocks along the splits of the longest sequence
    int slots = 1;  ///< split s is result s % slots: a window reaches few splits at once
    int firstTile = 0, tiles = 1, firstSequence = 0;

    __device__ size_t result(int sequence, int row, int tileRows, int head, int split, int numHeads) const {
        return ((static_cast<size_t>(sequence) * static_cast<size_t>(tiles * tileRows) +
                 static_cast<size_t>(row)) *
                    static_cast<size_t>(numHeads) +
                static_cast<size_t>(head)) *
                   static_cast<size_t>(slots) +
               static_cast<size_t>(split % slots);
    }
};

/// kDim: the larger of the key and value dimensions, rounded up to a compiled size; the rest is zero.
/// kTokens: of a tile. kM: fragments of 16 rows that a warp has. kCopyWarps: 4 warps that only copy, for
/// blocks that are alone on a multiprocessor; 0: the four that attend copy too.
template <KvType T, int kDim, int kTokens, int kM, int kCopyWarps>
__global__ void __launch_bounds__(kThreads + kCopyWarps * 32, kCopyWarps > 0 ? 1 : 2)
    tileKernel(float* out, const float* query, int queryStride, KvLayer layer, StepRows rows,
               BlockTables tables, TileShape shape, Splits splits) {
    constexpr int kEntries = 64 * kM, kTile = kTokens * kDim;
    extern __shared__ __align__(512) __half halves[];
    __half* queries = halves;                    // [kEntries, kDim]
    __half* buffers = halves + kEntries * kDim;  // two of {keys, values} [kTokens, kDim]

    letSuccessorStart();
    waitForPredecessor();
    // The last rows, which have the most to read, come first.
    const int heads = shape.packedHeads, firstHead = static_cast<int>(blockIdx.x) * heads,
              kvHead = firstHead / shape.groupHeads, tileRows = kEntries / heads;
    const int rowTile = splits.tiles - 1 - static_cast<int>(blockIdx.y);
    const int local = static_cast<int>(blockIdx.z) / splits.count,
              split = static_cast<int>(blockIdx.z) % splits.count;
    const int sequence = splits.firstSequence + local;
    const int sequenceEnd = rows.rowStart[sequence + 1];
    const int firstRow = rows.rowStart[sequence] + (splits.firstTile + rowTile) * tileRows;
    if (rows.rowStart[sequence] < rows.rows.decode || firstRow >= sequenceEnd) return;
    const int rowCount = min(tileRows, sequenceEnd - firstRow), count = rowCount * heads;
    const int lastPosition = rows.positions[firstRow + rowCount - 1];
    const int firstVisible = shape.window > 0 ? max(0, rows.positions[firstRow] + 1 - shape.window) : 0;
    const int begin = splits.apart ? max(firstVisible, splitBegin(split)) : firstVisible;
    const int end = splits.apart ? min(lastPosition, splitBegin(split + 1) - 1) : lastPosition;
    if (begin > end) return;
    const TokenTiles<T, kDim, kTokens> tokens(layer, tables.blocks + tables.start[sequence], kvHead,
                                              lastPosition);
    const int firstTile = begin / kTokens * kTokens;
    // Threads that copy: the last ones.
    const int copying = static_cast<int>(threadIdx.x) - kCopyWarps * 32;
    const auto load = [&](int turn, int tile) {
        __half* to = buffers + turn * 2 * kTile;
        if (copying >= 0) tokens.load(to, to + kTile, tile, copying);
        commitCopies();
    };
    load(0, firstTile);
#pragma unroll 4
    for (int i = static_cast<int>(threadIdx.x); i < kEntries * (kDim / 8);
         i += static_cast<int>(blockDim.x)) {
        const int entry = i / (kDim / 8), k = i % (kDim / 8) * 8;
        uint4 eight{};
        if (entry < count && k < layer.keyDim)
            eight = scaledHalves(query + static_cast<size_t>(firstRow + entry / heads) * queryStride +
                                     (firstHead + entry % heads) * layer.keyDim + k,
                                 shape.scale);
        *reinterpret_cast<uint4*>(queries + swizzled<kDim>(entry, k / 8)) = eight;
    }

    const int lane = static_cast<int>(threadIdx.x % 32),
              warpEntry = static_cast<int>(threadIdx.x / 32) * 16 * kM;
    const bool isActive = warpEntry < min(count, kEntries);
    const auto positionOf = [&](int entry) { return rows.positions[firstRow + entry / heads]; };
    const int least = isActive ? positionOf(warpEntry) : 0,
              most = isActive ? positionOf(min(warpEntry + 16 * kM, count) - 1) : -1;
    LaneRows<kDim, kTokens, kM> own;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const int entry = warpEntry + m * 16 + r * 8 + lane / 4;
            own.positions[m][r] = entry < count ? positionOf(entry) : -1;
        }
    own.clear();

    float* joined = splits.partials;
    if (!splits.apart)
        joined += (static_cast<size_t>(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x) *
                  static_cast<size_t>(kThreads * own.kFloats);
    bool hasJoined = false;
    int turn = 0;
    for (int tile = firstTile; tile <= end; tile += kTokens) {
        waitForCopies<0>();
        __syncthreads();
        const int next = tile + kTokens;
        if (next <= end) load(turn ^ 1, next);
        // Tiles that no row of the warp sees would multiply by one and add zero.
        if (isActive && tile <= most && (shape.window == 0 || next > least + 1 - shape.window)) {
            const bool isPartlySeen = next - 1 > least || (shape.window > 0 && most - tile >= shape.window);
            own.add(queries + warpEntry * kDim, buffers + turn * 2 * kTile, buffers + (turn * 2 + 1) * kTile,
                    tile, isPartlySeen, shape.window, shape.softcap, lane);
        }
        turn ^= 1;
        if (!splits.apart && isActive && isBorder(next) && next <= end) {
            own.total();
            if (hasJoined) own.join(joined);
            own.save(joined);
            own.clear();
            hasJoined = true;
        }
    }
    if (!isActive) return;
    own.total();
    if (hasJoined) own.join(joined);
    const int valueDim = layer.valueDim;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const int entry = warpEntry + m * 16 + r * 8 + lane / 4;
            if (entry >= count) continue;
            const int row = entry / heads, head = firstHead + entry % heads;
            float* to = out + (static_cast<size_t>(firstRow + row) * shape.numHeads + head) * valueDim;
            float divisor = own.totals[m][r];
            if (splits.apart) {
                to = splits.partials +
                     splits.result(local, rowTile * tileRows + row, tileRows, head, split, shape.numHeads) *
                         static_cast<size_t>(valueDim + 2);
                if (lane % 4 == 0) to[0] = own.largest[m][r], to[1] = divisor;
                to += 2;
                divisor = 1.0F;
            }
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n)
                if (const int value = n * 8 + 2 * (lane % 4); value < valueDim)
                    *reinterpret_cast<float2*>(to + value) = {own.sums[m][n][2 * r] / divisor,
                                                              own.sums[m][n][2 * r + 1] / divisor};
        }
}

/// What the splits of one row and head give for one value, joined in ascending order.
struct Joined {
    float largest = -INFINITY, total = 0.0F, sum = 0.0F;

    __device__ __forceinline__ void add(float own, float ownTotal, float ownSum) {
        if (own == -INFINITY) return;
        if (largest == -INFINITY) {
            largest = own, total = ownTotal, sum = ownSum;
            return;
        }
        const Joining joining(largest, own);
        total = joining.sum(total, ownTotal);
        sum = joining.sum(sum, ownSum);
        largest = joining.largest;
    }
};

/// One warp for (64 columns of the result, row, sequence), a lane two of them. Several splits are asked for
/// at a time.
__global__ void __launch_bounds__(kThreads)
    mergeKernel(ActivationView out, StepRows rows, int tileRows, int numHeads, int valueDim, int window,
                Splits splits) {
    constexpr int kAtOnce = 8;
    letSuccessorStart();
    waitForPredecessor();
    const int group = static_cast<int>(blockIdx.x * (kThreads / 32) + threadIdx.x / 32),
              within = static_cast<int>(blockIdx.y), local = static_cast<int>(blockIdx.z),
              sequence = splits.firstSequence + local;
    const int row = rows.rowStart[sequence] + splits.firstTile * tileRows + within;
    if (group >= out.groups || rows.rowStart[sequence] < rows.rows.decode ||
        row >= rows.rowStart[sequence + 1])
        return;
    const int position = rows.positions[row];
    const int first = window > 0 ? splitOf(max(0, position + 1 - window)) : 0, last = splitOf(position);
    int heads[2], values[2];
#pragma unroll
    for (int c = 0; c < 2; ++c) {
        const int column = min(group * 64 + static_cast<int>(threadIdx.x % 32) + 32 * c, out.width - 1);
        heads[c] = column / valueDim, values[c] = column % valueDim;
    }
    Joined joined[2];
    for (int some = first; some <= last; some += kAtOnce) {
        float owns[2][kAtOnce], totals[2][kAtOnce], sums[2][kAtOnce];
#pragma unroll
        for (int c = 0; c < 2; ++c)
#pragma unroll
            for (int i = 0; i < kAtOnce; ++i) {
                const float* result = splits.partials + splits.result(local, within, tileRows, heads[c],
                                                                      min(some + i, last), numHeads) *
                                                            static_cast<size_t>(valueDim + 2);
                owns[c][i] = some + i <= last ? result[0] : -INFINITY;
                totals[c][i] = result[1];
                sums[c][i] = result[2 + values[c]];
            }
#pragma unroll
        for (int c = 0; c < 2; ++c)
#pragma unroll
            for (int i = 0; i < kAtOnce; ++i) joined[c].add(owns[c][i], totals[c][i], sums[c][i]);
    }
    const auto value = [&](int c) {
        const int column = group * 64 + static_cast<int>(threadIdx.x % 32) + 32 * c;
        return column < out.width ? joined[c].sum / joined[c].total : 0.0F;
    };
    storeGroup(out, row, group, value(0), value(1));
}

__global__ void __launch_bounds__(kThreads) quantiseKernel(ActivationView out, const float* in, int first) {
    letSuccessorStart();
    waitForPredecessor();
    const int group = static_cast<int>(blockIdx.x * (kThreads / 32) + threadIdx.x / 32),
              row = first + static_cast<int>(blockIdx.y);
    if (group >= out.groups) return;
    const auto value = [&](int column) {
        return column < out.width ? in[static_cast<size_t>(row) * out.width + column] : 0.0F;
    };
    const int column = group * 64 + static_cast<int>(threadIdx.x % 32);
    storeGroup(out, row, group, value(column), value(column + 32));
}

Splits splitsApart(int maxContextLength, int window) {
    Splits splits;
    splits.apart = true;
    splits.count = splitOf(maxContextLength - 1) + 1;
    // The rows of a tile and their windows reach so many splits at once.
    const int reached = window > 0 ? ceilDiv(window + kMostEntries, kShortSplit) + 1 : splits.count;
    splits.slots = reached < splits.count ? reached : splits.count;
    return splits;
}

/// Of the partials of one tile of rows.
size_t tileFloats(int tileRows, int numHeads, int valueDim, const Splits& splits) {
    return static_cast<size_t>(tileRows) * static_cast<size_t>(numHeads) * static_cast<size_t>(splits.slots) *
           static_cast<size_t>(valueDim + 2);
}

/// Whether the card has the shared memory for two blocks a multiprocessor with tiles of 128 rows; asked once.
bool takesLargeTiles() {
    static const bool takes =
        overlapsLaunches() && deviceAttribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor) >= 200 << 10;
    return takes;
}

/// Blocks of attention that the card holds at a time.
int placesForBlocks() {
    return 2 * multiprocessors();
}

size_t resultFloats(const StepRows& rows, int numHeads, int valueDim) {
    return static_cast<size_t>(rows.rows.total()) * static_cast<size_t>(numHeads * valueDim);
}

/// The arguments of attendPrefill, to be launched in tiles of a compiled size.
struct PromptAttention {
    const ActivationView& out;
    float* result;  ///< [rows, numHeads * valueDim], where a block has all splits
    const float* query;
    int queryStride;
    const KvLayer& layer;
    const StepRows& rows;
    const BlockTables& tables;
    TileShape shape;
    float* partials;
    cudaStream_t stream;

    template <KvType T, int kDim, int kTokens, int kM, int kCopyWarps = 0>
    void run() const {
        const int tileRows = 64 * kM / shape.packedHeads, heads = shape.numHeads / shape.packedHeads;
        const int tiles = ceilDiv(rows.maxRowsPerSequence, tileRows);
        if (rows.maxContextLength <= kShortSplit) {
            Splits whole;
            whole.tiles = tiles;
            launchTiles<T, kDim, kTokens, kM, kCopyWarps>(whole, rows.sequences);
            return quantise();
        }
        const size_t room =
            prefillPartialFloats(shape.numHeads, layer.valueDim, rows.maxContextLength, shape.window);
        Splits splits = splitsApart(rows.maxContextLength, shape.window);
        splits.partials = partials;
        // Rounds of blocks, a split each; splits apart are written and read once more.
        const int blocks = tiles * heads * rows.sequences;
        const size_t joined = static_cast<size_t>(blocks) * kThreads *
                              static_cast<size_t>(LaneRows<kDim, kTokens, kM>::kFloats);
        if (joined <= room && 10 * ceilDiv(blocks, placesForBlocks()) * splits.count <=
                                  11 * ceilDiv(blocks * splits.count, placesForBlocks())) {
            splits.apart = false;
            splits.count = 1;
            splits.tiles = tiles;
            launchTiles<T, kDim, kTokens, kM, kCopyWarps>(splits, rows.sequences);
            return quantise();
        }
        // As many rows at a time as the workspace has entries for.
        const int fit = static_cast<int>(room / tileFloats(tileRows, shape.numHeads, layer.valueDim, splits));
        const int together = fit < rows.sequences ? fit : rows.sequences;
        const int tilesAtOnce = fit / together < tiles ? fit / together : tiles;
        for (int sequence = 0; sequence < rows.sequences; sequence += together)
            for (int first = 0; first < tiles; first += tilesAtOnce) {
                const int sequences =
                    rows.sequences - sequence < together ? rows.sequences - sequence : together;
                splits.firstSequence = sequence;
                splits.firstTile = first;
                splits.tiles = tiles - first < tilesAtOnce ? tiles - first : tilesAtOnce;
                launchTiles<T, kDim, kTokens, kM, kCopyWarps>(splits, sequences);
                launch("mergeKernel", mergeKernel,
                       dim3(ceilDiv(out.groups, kThreads / 32), splits.tiles * tileRows, sequences), kThreads,
                       0, stream, out, rows, tileRows, shape.numHeads, layer.valueDim, shape.window, splits);
            }
    }

  private:
    void quantise() const {
        launch("quantiseKernel", quantiseKernel, dim3(ceilDiv(out.groups, kThreads / 32), rows.rows.prefill),
               kThreads, 0, stream, out, result, rows.rows.decode);
    }

    template <KvType T, int kDim, int kTokens, int kM, int kCopyWarps>
    void launchTiles(const Splits& splits, int sequences) const {
        constexpr int kShared = (64 * kM + 4 * kTokens) * kDim * static_cast<int>(sizeof(__half));
        static const cudaError_t raised =
            cudaFuncSetAttribute(tileKernel<T, kDim, kTokens, kM, kCopyWarps>,
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
        checkCuda(raised, "attention's shared memory");
        launch("tileKernel", tileKernel<T, kDim, kTokens, kM, kCopyWarps>,
               dim3(shape.numHeads / shape.packedHeads, splits.tiles, sequences * splits.count),
               kThreads + kCopyWarps * 32, kShared, stream, result, query, queryStride, layer, rows, tables,
               shape, splits);
    }
};

}  // namespace

size_t prefillPartialFloats(int numHeads, int valueDim, int maxContextLength, int window) {
    if (maxContextLength <= kShortSplit) return 0;
    const size_t least = tileFloats(kMostEntries, numHeads, valueDim, splitsApart(maxContextLength, window));
    return least > kPartialFloats ? least : kPartialFloats;
}

size_t prefillAttentionFloats(const StepRows& rows, int numHeads, int valueDim, int window) {
    return resultFloats(rows, numHeads, valueDim) +
           prefillPartialFloats(numHeads, valueDim, rows.maxContextLength, window);
}

void attendPrefill(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                   const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                   float* workspace, cudaStream_t stream) {
    const int groupHeads = shape.numHeads / layer.numKvHeads, packedHeads = packedHeadsOf(groupHeads);
    const TileShape tile{shape.scale, shape.softcap, shape.window, shape.numHeads, groupHeads, packedHeads};
    const PromptAttention attention{
        out,         workspace, query,
        queryStride, layer,     rows,
        tables,      tile,      workspace + resultFloats(rows, shape.numHeads, layer.valueDim),
        stream};
    const int dim = layer.keyDim > layer.valueDim ? layer.keyDim : layer.valueDim;
    dispatchKv(layer.type, [&]<KvType T>() {
        if (dim <= 64) return attention.run<T, 64, 64, 2>();
        if (dim <= 128) {
            if (!takesLargeTiles()) return attention.run<T, 128, 32, 1>();
            // The same sums by more warps.
            return rows.maxRowsPerSequence * packedHeads <= kMostEntries ? attention.run<T, 128, 64, 1, 4>()
                                                                         : attention.run<T, 128, 64, 2>();
        }
        if (dim <= 256)
            return takesLargeTiles() ? attention.run<T, 256, 32, 1>() : attention.run<T, 256, 16, 1>();
        throw std::logic_error("attention heads of more than 256 values need the latent form");
    });
}

}  // namespace kernels::detail
