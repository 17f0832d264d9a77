// Attention of single rows over long contexts, bound by reading K and V once.
//
// Launch: one block for (split of 256 tokens, KV head and up to four of its query heads, row). Scores first:
// eight lanes a token, 16 bytes of K each, all query heads of the block from one read. Then exp against the
// split's maximum, then V: a lane keeps 8 dimensions of every head. The unnormalised result, maximum and sum
// of each split go to the workspace [rows, numHeads, splits, valueDim + 2]; mergeKernel adds them in
// ascending order.
#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/kv_row.cuh"
#include "kernels/cuda/launch.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = 128;
constexpr int kTokenGroups = kThreads / 8;

struct SplitShape {
    int numHeads, groupHeads, headsPerBlock, splits, window;
    float scale, softcap;
};

__device__ int sequenceOf(const int32_t* rowStart, int sequences, int row) {
    int sequence = 0;
    while (sequence + 1 < sequences && rowStart[sequence + 1] <= row) ++sequence;
    return sequence;
}

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
              end = min((split + 1) * kSplitTokens, position + 1);
    if (begin >= end) return;
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

    for (int i = static_cast<int>(threadIdx.x); i < kHeads * keyDim; i += kThreads)
        queries[i] =
            i / keyDim < heads
                ? query[static_cast<size_t>(row) * queryStride + firstHead * keyDim + i] * shape.scale
                : 0.0F;
    __syncthreads();

    const int part = static_cast<int>(threadIdx.x % 8);
    for (int token = begin + static_cast<int>(threadIdx.x / 8);
         token < ceilDiv(end - begin, kTokenGroups) * kTokenGroups + begin; token += kTokenGroups) {
        float sums[kHeads] = {};
        if (token < end) {
            const std::byte* key = headRows(layer, blocks[token / layer.blockTokens], kvHead).keys +
                                   static_cast<size_t>(token % layer.blockTokens) * layer.keyRowBytes();
            for (int k = part * 8; k < keyDim; k += 64) {
                float values[8];
                loadKv8<T>(key, keyDim, k, values);
#pragma unroll
                for (int h = 0; h < kHeads; ++h)
#pragma unroll
                    for (int i = 0; i < 8; ++i)
                        sums[h] = fmaf(values[i], queries[h * keyDim + k + i], sums[h]);
            }
        }
#pragma unroll
        for (int h = 0; h < kHeads; ++h) {
            for (int mask = 4; mask > 0; mask >>= 1) sums[h] += __shfl_xor_sync(0xffffffffU, sums[h], mask);
            if (shape.softcap > 0.0F) sums[h] = shape.softcap * tanhf(sums[h] / shape.softcap);
            if (part == 0 && token < end) weights[h * kSplitTokens + token - begin] = sums[h];
        }
    }
    __syncthreads();

    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    for (int h = warp; h < kHeads; h += kThreads / 32) {
        float* scores = weights + h * kSplitTokens;
        float largest = -INFINITY;
        for (int i = lane; i < end - begin; i += 32) largest = fmaxf(largest, scores[i]);
        largest = warpMax(largest);
        float total = 0.0F;
        for (int i = lane; i < end - begin; i += 32) {
            scores[i] = expf(scores[i] - largest);
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
        float sums[kHeads][8] = {};
        for (int token = begin + group; token < end; token += groups) {
            const std::byte* value = headRows(layer, blocks[token / layer.blockTokens], kvHead).values +
                                     static_cast<size_t>(token % layer.blockTokens) * layer.valueRowBytes();
            float values[8];
            loadKv8<T>(value, valueDim, first, values);
#pragma unroll
            for (int h = 0; h < kHeads; ++h) {
                const float weight = weights[h * kSplitTokens + token - begin];
#pragma unroll
                for (int i = 0; i < 8; ++i) sums[h][i] = fmaf(weight, values[i], sums[h][i]);
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

/// Column of a row: the splits of its head added in ascending order.
__device__ float mergeSplits(const float* splits, int column, int position, int valueDim, int window) {
    float largest = -INFINITY, total = 0.0F, sum = 0.0F;
    for (int split = window > 0 ? max(0, position + 1 - window) / kSplitTokens : 0;
         split <= position / kSplitTokens; ++split) {
        const float* piece = splits + static_cast<size_t>(split) * (valueDim + 2);
        const float next = fmaxf(largest, piece[valueDim]);
        const float keep = expf(largest - next), add = expf(piece[valueDim] - next);
        sum = sum * keep + piece[column % valueDim] * add;
        total = total * keep + piece[valueDim + 1] * add;
        largest = next;
    }
    return sum / total;
}

// One warp for 64 columns of a row.
__global__ void __launch_bounds__(kThreads)
    mergeKernel(ActivationView out, const float* workspace, const int32_t* positions, int valueDim,
                SplitShape shape) {
    letSuccessorStart();
    waitForPredecessor();
    const int group = static_cast<int>(blockIdx.x * (kThreads / 32) + threadIdx.x / 32),
              row = static_cast<int>(blockIdx.y);
    if (group >= out.groups) return;
    const auto value = [&](int column) {
        if (column >= out.width) return 0.0F;
        const float* splits = workspace + (static_cast<size_t>(row) * shape.numHeads + column / valueDim) *
                                              shape.splits * (valueDim + 2);
        return mergeSplits(splits, column, positions[row], valueDim, shape.window);
    };
    const int column = group * 64 + static_cast<int>(threadIdx.x % 32);
    storeGroup(out, row, group, value(column), value(column + 32));
}

}  // namespace

size_t decodeAttentionFloats(int rows, int numHeads, int valueDim, int maxContextLength) {
    return static_cast<size_t>(rows) * numHeads * ceilDiv(maxContextLength, kSplitTokens) * (valueDim + 2);
}

void attendDecode(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                  const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                  float* workspace, cudaStream_t stream) {
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
    dispatchKv(layer.type, [&]<KvType T>() {
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
    });
    const dim3 mergeGrid(ceilDiv(out.groups, kThreads / 32), rows.rows.decode);
    launch("mergeKernel", mergeKernel, mergeGrid, kThreads, 0, stream, out, workspace, rows.positions,
           layer.valueDim, split);
}

}  // namespace kernels::detail
