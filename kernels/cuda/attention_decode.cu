// Attention of single rows over long contexts, bound by reading K and V once, for the shapes that tensor
// cores do not take (attention_units.cu) and a cache of floats: in splits. Launch: one block for (split of
// 128 tokens, KV head and up to four of its query heads, row). The split's block ids go to shared memory
// first, then a thread asks for all its pieces of K of half a split at once: 8 lanes a token, 16 bytes each.
// Scores, exp against the split's maximum, then V, where a lane keeps 8 dimensions of every head and again
// asks for several tokens at once. The unnormalised result, maximum and sum of each split go to the workspace
// [rows, numHeads, splits, valueDim + 2]; mergeKernel adds them, each of its lanes in ascending order.
#include <algorithm>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_split.cuh"
#include "kernels/cuda/attention_unit.cuh"
#include "kernels/cuda/kv_row.cuh"
#include "kernels/cuda/launch.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = 128;
constexpr int kTokenGroups = kThreads / 8;

template <KvType T, int kHeads>
__global__ void __launch_bounds__(kThreads)
    splitKernel(float* workspace, const float* query, int queryStride, KvLayer layer, StepRows rows,
                BlockTables tables, SplitShape shape) {
    letSuccessorStart();
    waitForPredecessor();
    const int split = static_cast<int>(blockIdx.x), row = static_cast<int>(blockIdx.z);
    const int position = rows.positions[row];
    const int firstVisible = shape.window > 0 ? max(0, position + 1 - shape.window) : 0;
    const int begin = max(split * kSplitTokens, firstVisible),
              end = min((split + 1) * kSplitTokens, position + 1), count = end - begin;
    if (count <= 0) return;
    const int chunks = ceilDiv(shape.groupHeads, shape.headsPerBlock);
    const int kvHead = static_cast<int>(blockIdx.y) / chunks, chunk = static_cast<int>(blockIdx.y) % chunks;
    const int firstHead = kvHead * shape.groupHeads + chunk * shape.headsPerBlock;
    const int heads = min(shape.headsPerBlock, shape.groupHeads - chunk * shape.headsPerBlock);
    const int keyDim = layer.keyDim, valueDim = layer.valueDim;
    const int32_t* blocks = tables.blocks + tables.start[sequenceOf(rows.rowStart, rows.sequences, row)];

    extern __shared__ float shared[];
    float* queries = shared;                           // [kHeads, keyDim]
    float* weights = queries + kHeads * keyDim;        // [kHeads, kSplitTokens]
    float* partial = weights + kHeads * kSplitTokens;  // [token groups, kHeads, valueDim]
    __shared__ float maxima[kHeads], totals[kHeads];
    __shared__ uint32_t rowOf[kSplitTokens];  // block * blockTokens + place within the block, of each token

    if (static_cast<int>(threadIdx.x) < count) {
        const int token = begin + static_cast<int>(threadIdx.x);
        rowOf[threadIdx.x] = static_cast<uint32_t>(blocks[token / layer.blockTokens] * layer.blockTokens +
                                                   token % layer.blockTokens);
    }
    for (int i = static_cast<int>(threadIdx.x); i < kHeads * keyDim; i += kThreads)
        queries[i] =
            i / keyDim < heads
                ? query[static_cast<size_t>(row) * queryStride + firstHead * keyDim + i] * shape.scale
                : 0.0F;
    __syncthreads();

    const auto keyOf = [&](int index) {
        const uint32_t at = rowOf[min(index, count - 1)];
        const auto tokens = static_cast<uint32_t>(layer.blockTokens);
        return headRows(layer, static_cast<int>(at / tokens), kvHead).keys +
               (at % tokens) * layer.keyRowBytes();
    };
    const auto valueOf = [&](int index) {
        const uint32_t at = rowOf[min(index, count - 1)];
        const auto tokens = static_cast<uint32_t>(layer.blockTokens);
        return headRows(layer, static_cast<int>(at / tokens), kvHead).values +
               (at % tokens) * layer.valueRowBytes();
    };

    // Scores. Tokens beyond the split read its last one, so that the loads need no branch.
    const int part = static_cast<int>(threadIdx.x % 8), tokenGroup = static_cast<int>(threadIdx.x / 8);
    constexpr int kTokensAtOnce = 4;
    for (int first = 0; first < count; first += kTokenGroups * kTokensAtOnce) {
        float sums[kTokensAtOnce][kHeads] = {};
        const std::byte* keys[kTokensAtOnce];
#pragma unroll
        for (int i = 0; i < kTokensAtOnce; ++i) keys[i] = keyOf(first + i * kTokenGroups + tokenGroup);
        const auto addPiece = [&](const float(&values)[kTokensAtOnce][8], int k) {
#pragma unroll
            for (int h = 0; h < kHeads; ++h) {
                float q[8];
#pragma unroll
                for (int j = 0; j < 8; ++j) q[j] = queries[h * keyDim + k + j];
#pragma unroll
                for (int i = 0; i < kTokensAtOnce; ++i)
#pragma unroll
                    for (int j = 0; j < 8; ++j) sums[i][h] = fmaf(values[i][j], q[j], sums[i][h]);
            }
        };
        const auto piece = [&](int k) {
            float values[kTokensAtOnce][8];
#pragma unroll
            for (int i = 0; i < kTokensAtOnce; ++i) loadKv8<T>(keys[i], keyDim, k, values[i]);
            addPiece(values, k);
        };
        for (int k = part * 8; k < keyDim; k += 64) piece(k);
#pragma unroll
        for (int i = 0; i < kTokensAtOnce; ++i)
#pragma unroll
            for (int h = 0; h < kHeads; ++h) {
                float sum = sums[i][h];
                for (int mask = 4; mask > 0; mask >>= 1) sum += __shfl_xor_sync(0xffffffffU, sum, mask);
                if (shape.softcap > 0.0F) sum = shape.softcap * tanhf(sum / shape.softcap);
                const int index = first + i * kTokenGroups + tokenGroup;
                if (part == 0 && index < count) weights[h * kSplitTokens + index] = sum;
            }
    }
    __syncthreads();

    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    for (int h = warp; h < kHeads; h += kThreads / 32) {
        float* scores = weights + h * kSplitTokens;
        float largest = -INFINITY;
        for (int i = lane; i < count; i += 32) largest = fmaxf(largest, scores[i]);
        largest = warpMax(largest);
        float total = 0.0F;
        for (int i = lane; i < kSplitTokens; i += 32) {
            // Past the end the weight is zero, so that the loop over values needs no branch.
            scores[i] = i < count ? expf(scores[i] - largest) : 0.0F;
            total += scores[i];
        }
        total = warpSum(total);
        if (lane == 0) maxima[h] = largest, totals[h] = total;
    }
    __syncthreads();

    const int lanes = valueDim / 8, groups = kThreads / lanes;
    const int group = static_cast<int>(threadIdx.x) / lanes,
              first = static_cast<int>(threadIdx.x) % lanes * 8;
    if (group < groups) {
        constexpr int kValuesAtOnce = 4;
        float sums[kHeads][8] = {};
        for (int token = group; token < count; token += groups * kValuesAtOnce) {
            float values[kValuesAtOnce][8];
#pragma unroll
            for (int i = 0; i < kValuesAtOnce; ++i)
                loadKv8<T>(valueOf(token + i * groups), valueDim, first, values[i]);
#pragma unroll
            for (int i = 0; i < kValuesAtOnce; ++i) {
                const int at = token + i * groups;
#pragma unroll
                for (int h = 0; h < kHeads; ++h) {
                    const float weight = at < count ? weights[h * kSplitTokens + at] : 0.0F;
#pragma unroll
                    for (int j = 0; j < 8; ++j) sums[h][j] = fmaf(weight, values[i][j], sums[h][j]);
                }
            }
        }
#pragma unroll
        for (int h = 0; h < kHeads; ++h)
#pragma unroll
            for (int i = 0; i < 8; ++i) partial[(group * kHeads + h) * valueDim + first + i] = sums[h][i];
    }
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < heads * valueDim; i += kThreads) {
        const int h = i / valueDim, k = i % valueDim;
        float sum = 0.0F;
        for (int other = 0; other < groups; ++other) sum += partial[(other * kHeads + h) * valueDim + k];
        float* to =
            workspace + ((static_cast<size_t>(row) * shape.numHeads + firstHead + h) * shape.splits + split) *
                            (valueDim + 2);
        to[k] = sum;
        if (k == 0) to[valueDim] = maxima[h], to[valueDim + 1] = totals[h];
    }
}

// One block for 64 columns of a row. Its warps take every eighth split in ascending order and are added in
// order, so a row's sums depend on its position alone.
constexpr int kMergeWarps = 8;

__global__ void __launch_bounds__(kMergeWarps * 32)
    mergeKernel(ActivationView out, const float* workspace, const int32_t* positions, int valueDim,
                SplitShape shape) {
    letSuccessorStart();
    waitForPredecessor();
    __shared__ float sums[kMergeWarps][64], columnTotals[kMergeWarps][64], columnMaxima[kMergeWarps][64];
    const int group = static_cast<int>(blockIdx.x), row = static_cast<int>(blockIdx.y);
    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    const int position = positions[row];
    const int firstSplit = shape.window > 0 ? max(0, position + 1 - shape.window) / kSplitTokens : 0;
    const int lastSplit = position / kSplitTokens;
    // A lane's two columns may belong to two heads (heads of 32 or 96 values).
    float sum[2] = {0.0F, 0.0F}, total[2] = {0.0F, 0.0F}, largest[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int column = group * 64 + half * 32 + lane;
        if (column >= out.width) continue;
        const float* splits = workspace + (static_cast<size_t>(row) * shape.numHeads + column / valueDim) *
                                              shape.splits * (valueDim + 2);
        for (int split = firstSplit + warp; split <= lastSplit; split += kMergeWarps) {
            const float* piece = splits + static_cast<size_t>(split) * (valueDim + 2);
            const float value = piece[column % valueDim], maximum = piece[valueDim],
                        weight = piece[valueDim + 1];
            const float next = fmaxf(largest[half], maximum);
            const float keep = expf(largest[half] - next), add = expf(maximum - next);
            sum[half] = sum[half] * keep + value * add;
            total[half] = total[half] * keep + weight * add;
            largest[half] = next;
        }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        sums[warp][half * 32 + lane] = sum[half];
        columnTotals[warp][half * 32 + lane] = total[half];
        columnMaxima[warp][half * 32 + lane] = largest[half];
    }
    __syncthreads();
    if (warp != 0) return;
    float result[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int at = half * 32 + lane;
        float maximum = -INFINITY;
        for (int other = 0; other < kMergeWarps; ++other) maximum = fmaxf(maximum, columnMaxima[other][at]);
        float value = 0.0F, weight = 0.0F;
        for (int other = 0; other < kMergeWarps; ++other) {
            if (columnMaxima[other][at] == -INFINITY) continue;
            const float factor = expf(columnMaxima[other][at] - maximum);
            value += sums[other][at] * factor;
            weight += columnTotals[other][at] * factor;
        }
        result[half] = group * 64 + at < out.width ? value / weight : 0.0F;
    }
    storeGroup(out, row, group, result[0], result[1]);
}

}  // namespace

size_t decodeAttentionFloats(int rows, int numHeads, int valueDim, int maxContextLength) {
    const int pieces = std::max(ceilDiv(maxContextLength, kSplitTokens), unitCapacity(maxContextLength));
    return static_cast<size_t>(rows) * numHeads * pieces * (valueDim + 2);
}

void attendDecode(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                  const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                  float* workspace, cudaStream_t stream) {
    if (attendsInUnits(layer))
        return attendUnits(out, query, queryStride, layer, rows, tables, shape, workspace, stream);
    const int groupHeads = shape.numHeads / layer.numKvHeads;
    const int chunks = ceilDiv(groupHeads, 4), perBlock = ceilDiv(groupHeads, chunks);
    const SplitShape split{
        shape.numHeads, groupHeads,  perBlock,     ceilDiv(rows.maxContextLength, kSplitTokens),
        shape.window,   shape.scale, shape.softcap};
    const dim3 grid(split.splits, layer.numKvHeads * chunks, rows.rows.decode);
    const auto launchSplits = [&]<KvType T, int kHeads>() {
        const int groups = kThreads / (layer.valueDim / 8);
        const size_t shared = static_cast<size_t>(kHeads) *
                              (layer.keyDim + kSplitTokens + groups * layer.valueDim) * sizeof(float);
        launch("splitKernel", splitKernel<T, kHeads>, grid, kThreads, shared, stream, workspace, query,
               queryStride, layer, rows, tables, split);
    };
    const auto withHeads = [&]<KvType T>() {
        switch (perBlock) {
            case 1:
                return launchSplits.template operator()<T, 1>();
            case 2:
                return launchSplits.template operator()<T, 2>();
            case 3:
                return launchSplits.template operator()<T, 3>();
            default:
                return launchSplits.template operator()<T, 4>();
        }
    };
    dispatchKv(layer.type, withHeads);
    launch("mergeKernel", mergeKernel,
           dim3(static_cast<unsigned>(out.groups), static_cast<unsigned>(rows.rows.decode)), kMergeWarps * 32,
           0, stream, out, workspace, rows.positions, layer.valueDim, split);
}

}  // namespace kernels::detail
