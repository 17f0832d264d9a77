// Causal attention of prompt rows on half-precision tensor cores with a running softmax (FlashAttention-2).
//
// Launch: one block of 4 warps for (64 rows of one sequence, query head, split of the sequence); a warp keeps
// 16 rows. Tiles of kTokens tokens go through shared memory as halves, whatever the cache's type. Tiles begin
// at multiples of kTokens in the sequence, so a row's sums are the same for every chunking of its prompt:
// tiles beyond a row's own position multiply by one and add zero. A row lies in the upper or the lower half
// of a warp's fragment, as the chunk has it, and the two halves are different instructions: roundings are
// spelled out, since the compiler would fuse a product into a sum in one half and not in the other.
//
// Contexts beyond kSplit tokens are read in splits that begin at multiples of kSplit (Flash-Decoding), so
// that a chunk of few rows deep in a sequence fills the card; mergeKernel joins a row's splits in ascending
// order. A row within one split comes out of the merge bit by bit as it went in.
#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_unit.cuh"
#include "kernels/cuda/kv_row.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = 64;
constexpr int kSplit = 2048;  ///< tokens; a multiple of every tile
constexpr size_t kPartialFloats = 20U << 20;

__device__ inline void loadTransposed(uint32_t& b0, uint32_t& b1, const __half* row) {
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(b0), "=r"(b1)
                 : "r"(address));
}

struct TileShape {
    float scale, softcap;
    int window, numHeads, groupHeads;
};

/// The part of the rows that one launch computes, and where its splits go: [sequences, tiles * kRows,
/// numHeads, slots] entries of {largest score, sum of weights, valueDim sums}. `partials` null: one split,
/// straight to the result.
struct Splits {
    float* partials = nullptr;
    int count = 1;  ///< splits of the longest sequence
    int slots = 1;  ///< split s is entry s % slots: a window reaches few splits at once
    int firstTile = 0, tiles = 1, firstSequence = 0;

    __device__ size_t entry(int sequence, int row, int head, int split, int numHeads) const {
        return ((static_cast<size_t>(sequence) * static_cast<size_t>(tiles * kRows) +
                 static_cast<size_t>(row)) *
                    static_cast<size_t>(numHeads) +
                static_cast<size_t>(head)) *
                   static_cast<size_t>(slots) +
               static_cast<size_t>(split % slots);
    }
};

/// kDim: the larger of the key and value dimensions, rounded up to a compiled size; the rest is zero.
template <KvType T, int kDim, int kTokens>
__global__ void __launch_bounds__(kThreads)
    tileKernel(float* out, const float* query, int queryStride, KvLayer layer, StepRows rows,
               BlockTables tables, TileShape shape, Splits splits) {
    constexpr int kStride = kDim + 8;  // keeps the lanes of a fragment in different banks
    extern __shared__ __align__(16) __half halves[];
    __half* queries = halves;                   // [kRows, kStride]
    __half* keys = queries + kRows * kStride;   // [kTokens, kStride]
    __half* values = keys + kTokens * kStride;  // [kTokens, kStride]

    letSuccessorStart();
    waitForPredecessor();
    const int local = static_cast<int>(blockIdx.z) / splits.count,
              split = static_cast<int>(blockIdx.z) % splits.count;
    const int sequence = splits.firstSequence + local, head = static_cast<int>(blockIdx.y),
              kvHead = head / shape.groupHeads;
    const int sequenceEnd = rows.rowStart[sequence + 1];
    const int firstRow = rows.rowStart[sequence] + (splits.firstTile + static_cast<int>(blockIdx.x)) * kRows;
    if (rows.rowStart[sequence] < rows.rows.decode || firstRow >= sequenceEnd) return;
    const int count = min(kRows, sequenceEnd - firstRow);
    const int lastPosition = rows.positions[firstRow + count - 1];
    const int firstVisible = shape.window > 0 ? max(0, rows.positions[firstRow] + 1 - shape.window) : 0;
    const bool isWhole = splits.partials == nullptr;
    const int begin = isWhole ? firstVisible : max(firstVisible, split * kSplit);
    const int end = isWhole ? lastPosition : min(lastPosition, (split + 1) * kSplit - 1);
    if (begin > end) return;
    const int32_t* blocks = tables.blocks + tables.start[sequence];
    const int keyDim = layer.keyDim, valueDim = layer.valueDim;

    for (int i = static_cast<int>(threadIdx.x); i < kRows * kDim; i += kThreads) {
        const int r = i / kDim, k = i % kDim;
        const bool there = r < count && k < keyDim;
        queries[r * kStride + k] = __float2half(
            there ? query[static_cast<size_t>(firstRow + r) * queryStride + head * keyDim + k] * shape.scale
                  : 0.0F);
    }
    __syncthreads();

    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32),
              g = lane / 4, t = lane % 4;
    const int low = warp * 16 + g, high = low + 8;  // this lane's two rows within the tile
    const int lowPosition = low < count ? rows.positions[firstRow + low] : -1;
    const int highPosition = high < count ? rows.positions[firstRow + high] : -1;

    float sums[kDim / 8][4] = {};
    float largest[2] = {-INFINITY, -INFINITY}, totals[2] = {0.0F, 0.0F};
    for (int tile = begin / kTokens * kTokens; tile <= end; tile += kTokens) {
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x); i < kTokens * (kDim / 8); i += kThreads) {
            const int token = tile + i / (kDim / 8), k = i % (kDim / 8) * 8;
            float key[8] = {}, value[8] = {};
            const int block = token <= lastPosition ? blocks[token / layer.blockTokens] : -1;
            if (block >= 0) {
                const HeadRows from = headRows(layer, block, kvHead);
                const size_t within = static_cast<size_t>(token % layer.blockTokens);
                if (k < keyDim) loadKv8<T>(from.keys + within * layer.keyRowBytes(), keyDim, k, key);
                if (k < valueDim)
                    loadKv8<T>(from.values + within * layer.valueRowBytes(), valueDim, k, value);
            }
            const int at = i / (kDim / 8) * kStride + k;
#pragma unroll
            for (int j = 0; j < 8; j += 2) {
                *reinterpret_cast<uint32_t*>(keys + at + j) = packHalves(key[j], key[j + 1]);
                *reinterpret_cast<uint32_t*>(values + at + j) = packHalves(value[j], value[j + 1]);
            }
        }
        __syncthreads();

        float scores[kTokens / 8][4] = {};
#pragma unroll
        for (int k = 0; k < kDim; k += 16) {
            const uint32_t a[4] = {
                *reinterpret_cast<const uint32_t*>(queries + low * kStride + k + 2 * t),
                *reinterpret_cast<const uint32_t*>(queries + high * kStride + k + 2 * t),
                *reinterpret_cast<const uint32_t*>(queries + low * kStride + k + 8 + 2 * t),
                *reinterpret_cast<const uint32_t*>(queries + high * kStride + k + 8 + 2 * t)};
#pragma unroll
            for (int n = 0; n < kTokens / 8; ++n) {
                const __half* key = keys + (n * 8 + g) * kStride + k + 2 * t;
                mmaF16(scores[n], a, *reinterpret_cast<const uint32_t*>(key),
                       *reinterpret_cast<const uint32_t*>(key + 8));
            }
        }

        float tileLargest[2] = {-INFINITY, -INFINITY};
#pragma unroll
        for (int n = 0; n < kTokens / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int token = tile + n * 8 + 2 * t + i % 2, position = i < 2 ? lowPosition : highPosition;
                float score = scores[n][i];
                if (shape.softcap > 0.0F) score = __fmul_rn(shape.softcap, tanhf(score / shape.softcap));
                const bool seen = token <= position && (shape.window == 0 || position - token < shape.window);
                scores[n][i] = seen ? score : -INFINITY;
                tileLargest[i / 2] = fmaxf(tileLargest[i / 2], scores[n][i]);
            }
        float base[2];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            for (int mask = 2; mask > 0; mask >>= 1)
                tileLargest[r] = fmaxf(tileLargest[r], __shfl_xor_sync(0xffffffffU, tileLargest[r], mask));
            const float next = fmaxf(largest[r], tileLargest[r]);
            base[r] = next == -INFINITY ? 0.0F : next;  // nothing seen yet: keep exp away from inf - inf
            const float keep = largest[r] == -INFINITY ? 0.0F : expf(largest[r] - base[r]);
            largest[r] = next;
            totals[r] = __fmul_rn(totals[r], keep);
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n) sums[n][2 * r] *= keep, sums[n][2 * r + 1] *= keep;
        }
#pragma unroll
        for (int n = 0; n < kTokens / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                scores[n][i] = expf(__fsub_rn(scores[n][i], base[i / 2]));
                totals[i / 2] = __fadd_rn(totals[i / 2], scores[n][i]);
            }
#pragma unroll
        for (int k = 0; k < kTokens; k += 16) {
            const uint32_t a[4] = {packHalves(scores[k / 8][0], scores[k / 8][1]),
                                   packHalves(scores[k / 8][2], scores[k / 8][3]),
                                   packHalves(scores[k / 8 + 1][0], scores[k / 8 + 1][1]),
                                   packHalves(scores[k / 8 + 1][2], scores[k / 8 + 1][3])};
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n) {
                uint32_t b0, b1;
                loadTransposed(b0, b1, values + (k + lane % 16) * kStride + n * 8);
                mmaF16(sums[n], a, b0, b1);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        for (int mask = 2; mask > 0; mask >>= 1) totals[r] += __shfl_xor_sync(0xffffffffU, totals[r], mask);
        const int row = r == 0 ? low : high;
        if (row >= count) continue;
        if (!isWhole) {
            float* entry = splits.partials + splits.entry(local, static_cast<int>(blockIdx.x) * kRows + row,
                                                          head, split, shape.numHeads) *
                                                 static_cast<size_t>(valueDim + 2);
            if (t == 0) entry[0] = largest[r], entry[1] = totals[r];
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n)
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    if (n * 8 + 2 * t + i < valueDim) entry[2 + n * 8 + 2 * t + i] = sums[n][2 * r + i];
            continue;
        }
        float* to = out + static_cast<size_t>(firstRow + row) * shape.numHeads * valueDim +
                    static_cast<size_t>(head) * valueDim;
#pragma unroll
        for (int n = 0; n < kDim / 8; ++n)
#pragma unroll
            for (int i = 0; i < 2; ++i)
                if (n * 8 + 2 * t + i < valueDim) to[n * 8 + 2 * t + i] = sums[n][2 * r + i] / totals[r];
    }
}

/// One block for (row, query head, sequence).
__global__ void __launch_bounds__(kThreads)
    mergeKernel(float* out, StepRows rows, int numHeads, int valueDim, int window, Splits splits) {
    letSuccessorStart();
    waitForPredecessor();
    const int local = static_cast<int>(blockIdx.z), sequence = splits.firstSequence + local,
              head = static_cast<int>(blockIdx.y), within = static_cast<int>(blockIdx.x);
    const int row = rows.rowStart[sequence] + splits.firstTile * kRows + within;
    if (rows.rowStart[sequence] < rows.rows.decode || row >= rows.rowStart[sequence + 1]) return;
    const int position = rows.positions[row];
    const int first = window > 0 ? max(0, position + 1 - window) / kSplit : 0, last = position / kSplit;
    for (int value = static_cast<int>(threadIdx.x); value < valueDim; value += kThreads) {
        float largest = -INFINITY, total = 0.0F, sum = 0.0F;
        for (int split = first; split <= last; ++split) {
            const float* entry = splits.partials + splits.entry(local, within, head, split, numHeads) *
                                                       static_cast<size_t>(valueDim + 2);
            const float own = entry[0];
            if (own == -INFINITY) continue;
            if (largest == -INFINITY) {
                largest = own, total = entry[1], sum = entry[2 + value];
                continue;
            }
            const float next = fmaxf(largest, own), keep = expf(__fsub_rn(largest, next)),
                        scale = expf(__fsub_rn(own, next));
            total = __fadd_rn(__fmul_rn(total, keep), __fmul_rn(entry[1], scale));
            sum = __fadd_rn(__fmul_rn(sum, keep), __fmul_rn(entry[2 + value], scale));
            largest = next;
        }
        out[static_cast<size_t>(row) * numHeads * valueDim + static_cast<size_t>(head) * valueDim + value] =
            sum / total;
    }
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

Splits splitsOf(int maxContextLength, int window) {
    Splits splits;
    if (maxContextLength <= kSplit) return splits;
    splits.count = ceilDiv(maxContextLength, kSplit);
    // The rows of a tile and their windows reach so many splits at once.
    const int reached = window > 0 ? ceilDiv(window + kRows, kSplit) + 1 : splits.count;
    splits.slots = reached < splits.count ? reached : splits.count;
    return splits;
}

/// Of the partials of one tile of rows.
size_t tileFloats(int numHeads, int valueDim, const Splits& splits) {
    return static_cast<size_t>(kRows) * static_cast<size_t>(numHeads) * static_cast<size_t>(splits.slots) *
           static_cast<size_t>(valueDim + 2);
}

}  // namespace

size_t prefillPartialFloats(int numHeads, int valueDim, int maxContextLength, int window) {
    if (maxContextLength <= kSplit) return 0;
    const size_t least = tileFloats(numHeads, valueDim, splitsOf(maxContextLength, window));
    return least > kPartialFloats ? least : kPartialFloats;
}

void attendPrefill(float* out, const float* query, int queryStride, const KvLayer& layer,
                   const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                   float* partials, cudaStream_t stream) {
    const TileShape tile{shape.scale, shape.softcap, shape.window, shape.numHeads,
                         shape.numHeads / layer.numKvHeads};
    const int tiles = ceilDiv(rows.maxRowsPerSequence, kRows);
    const auto launchTiles = [&]<KvType T, int kDim, int kTokens>(const Splits& splits, int sequences) {
        constexpr int kShared = (kRows + 2 * kTokens) * (kDim + 8) * static_cast<int>(sizeof(__half));
        static const cudaError_t raised = cudaFuncSetAttribute(
            tileKernel<T, kDim, kTokens>, cudaFuncAttributeMaxDynamicSharedMemorySize, kShared);
        checkCuda(raised, "attention's shared memory");
        launch("tileKernel", tileKernel<T, kDim, kTokens>,
               dim3(splits.tiles, shape.numHeads, sequences * splits.count), kThreads, kShared, stream, out,
               query, queryStride, layer, rows, tables, tile, splits);
    };
    const int dim = layer.keyDim > layer.valueDim ? layer.keyDim : layer.valueDim;
    const auto attend = [&](const Splits& splits, int sequences) {
        dispatchKv(layer.type, [&]<KvType T>() {
            if (dim <= 64) return launchTiles.template operator()<T, 64, 64>(splits, sequences);
            if (dim <= 128) return launchTiles.template operator()<T, 128, 64>(splits, sequences);
            if (dim <= 256) return launchTiles.template operator()<T, 256, 32>(splits, sequences);
            throw std::logic_error("attention heads of more than 256 values need the latent form");
        });
    };
    Splits splits = splitsOf(rows.maxContextLength, shape.window);
    if (rows.maxContextLength <= kSplit) {
        splits.tiles = tiles;
        return attend(splits, rows.sequences);
    }
    // As many rows at a time as the workspace has entries for.
    splits.partials = partials;
    const int fit = static_cast<int>(
        prefillPartialFloats(shape.numHeads, layer.valueDim, rows.maxContextLength, shape.window) /
        tileFloats(shape.numHeads, layer.valueDim, splits));
    const int together = fit < rows.sequences ? fit : rows.sequences;
    const int tilesAtOnce = fit / together < tiles ? fit / together : tiles;
    for (int sequence = 0; sequence < rows.sequences; sequence += together)
        for (int first = 0; first < tiles; first += tilesAtOnce) {
            const int sequences = rows.sequences - sequence < together ? rows.sequences - sequence : together;
            splits.firstSequence = sequence;
            splits.firstTile = first;
            splits.tiles = tiles - first < tilesAtOnce ? tiles - first : tilesAtOnce;
            attend(splits, sequences);
            launch("mergeKernel", mergeKernel, dim3(splits.tiles * kRows, shape.numHeads, sequences),
                   kThreads, 0, stream, out, rows, shape.numHeads, layer.valueDim, shape.window, splits);
        }
}

void quantiseRows(const ActivationView& out, const float* in, int first, int count, cudaStream_t stream) {
    launch("quantiseRows", quantiseKernel, dim3(ceilDiv(out.groups, kThreads / 32), count), kThreads, 0,
           stream, out, in, first);
}

}  // namespace kernels::detail
