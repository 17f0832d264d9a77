// Attention of single rows on tensor cores, for heads of 64 or 128 values (attention_unit.cuh): one warp a
// unit, KV head (of up to eight query heads) and row. The units go to the workspace and a second kernel
// merges them; attention_clusters.cu does both in one where it can, adding in the same order.
#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/unit_tokens.cuh"

namespace kernels::detail {
namespace {

/// Brings the rows of the 16 tokens around one towards the processor.
__device__ inline void prefetchRows(const KvLayer& layer, const int32_t* blocks, int kvHead, int token) {
    const HeadRows rows = headRows(layer, blocks[token / layer.blockTokens], kvHead);
    const int begin = token % layer.blockTokens / 16 * 16 * static_cast<int>(layer.keyRowBytes());
    for (int at = static_cast<int>(threadIdx.x % 32) * 128; at < 16 * static_cast<int>(layer.keyRowBytes());
         at += 4096) {
        asm volatile("prefetch.global.L2 [%0];" ::"l"(rows.keys + begin + at));
        asm volatile("prefetch.global.L2 [%0];" ::"l"(rows.values + begin + at));
    }
}

template <KvType T, int kDim>
__global__ void __launch_bounds__(kUnitsPerBlock * 32, 4)
    unitKernel(float* workspace, const __grid_constant__ UnitArguments args) {
    letSuccessorStart();
    // Positions, blocks and the rows of earlier steps are there before the step's kernels: only what this
    // step makes has to be waited for.
    const UnitPlace place(args);
    const UnitRange range(place.position, args.shape.window);
    const int index = range.first + static_cast<int>(blockIdx.x * kUnitsPerBlock + threadIdx.x / 32);
    if (index > range.last) return;
    const UnitTokens<T, kDim> tokens(args, place, range, index);
    prefetchRows(args.layer, place.blocks, place.kvHead, max(index * range.tokens, range.firstVisible));
    waitForPredecessor();
    const float* from = queryOf<kDim>(args, place);
    const int t = static_cast<int>(threadIdx.x % 4);
    float values[kDim / 32][8];
#pragma unroll
    for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) values[i][j] = from != nullptr ? from[32 * i + 8 * t + j] : 0.0F;
    scaleQueries<kDim>(values, args.shape.scale);
    AttentionUnit<T, kDim> unit(values);
    for (int first = tokens.first(); first < tokens.end(); first += 16) {
        typename AttentionUnit<T, kDim>::Rows rows;
        tokens.load(rows, first);
        unit.add(rows, tokens.seenFrom(first), tokens.seenTo(first), args.shape.softcap);
    }
    const auto stride = static_cast<size_t>(kDim + 2);
    const size_t head = static_cast<size_t>(place.row) * args.shape.numHeads + place.firstHead;
    unit.store(workspace + (head * args.shape.splits + index) * stride, args.shape.splits * stride,
               place.heads);
}

/// One block for 64 columns of a row, which are of one head; a warp a run. For a fourth block on a
/// multiprocessor registers would spill.
__global__ void __launch_bounds__(kRuns * 32, 3)
    mergeUnitsKernel(ActivationView out, const float* workspace, const int32_t* positions, int dim,
                     SplitShape shape) {
    __shared__ float maxima[kRuns], totals[kRuns], sums[kRuns][64];
    const int group = static_cast<int>(blockIdx.x), row = static_cast<int>(blockIdx.y);
    const int run = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    letSuccessorStart();
    const UnitRange range(positions[row], shape.window);
    const int units = range.last - range.first + 1, column = group * 64 % dim;
    const auto stride = static_cast<size_t>(dim + 2);
    const size_t head = static_cast<size_t>(row) * shape.numHeads + group * 64 / dim;
    const float* pieces = workspace + (head * shape.splits + range.first) * stride;
    waitForPredecessor();
    float largest = -INFINITY;
    for (int unit = static_cast<int>(threadIdx.x); unit < units; unit += kRuns * 32)
        largest = fmaxf(largest, pieces[unit * stride + dim]);
    largest = warpMax(largest);
    if (lane == 0) maxima[run] = largest;
    __syncthreads();
    for (int other = 0; other < kRuns; ++other) largest = fmaxf(largest, maxima[other]);
    // A lane finds the weight of one of 32 units.
    float total = 0.0F, sum[2] = {0.0F, 0.0F};
    for (int base = run; base < units; base += kRuns * 32) {
        const int own = base + lane * kRuns;
        float weight = 0.0F, ownTotal = 0.0F;
        if (own < units) {
            const float2 facts = *reinterpret_cast<const float2*>(pieces + own * stride + dim);
            weight = expf(facts.x - largest);
            ownTotal = facts.y;
        }
        const int count = min(32, (units - 1 - base) / kRuns + 1);
#pragma unroll 8
        for (int i = 0; i < count; ++i) {
            const float* piece = pieces + (base + i * kRuns) * stride + column;
            const float w = __shfl_sync(0xffffffffU, weight, i);
            total = fmaf(w, __shfl_sync(0xffffffffU, ownTotal, i), total);
            sum[0] = fmaf(w, piece[lane], sum[0]);
            sum[1] = fmaf(w, piece[lane + 32], sum[1]);
        }
    }
    if (lane == 0) totals[run] = total;
    sums[run][lane] = sum[0];
    sums[run][lane + 32] = sum[1];
    __syncthreads();
    if (run != 0) return;
    float results[2] = {0.0F, 0.0F}, all = 0.0F;
#pragma unroll
    for (int other = 0; other < kRuns; ++other) {
        all += totals[other];
        results[0] += sums[other][lane];
        results[1] += sums[other][lane + 32];
    }
    storeGroup(out, row, group, results[0] / all, results[1] / all);
}

}  // namespace

bool attendsInUnits(const KvLayer& layer) {
    return layer.type != KvType::F32 && (layer.keyDim == 64 || layer.keyDim == 128) &&
           layer.valueDim == layer.keyDim && layer.blockTokens % 16 == 0;
}

void attendUnits(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                 const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                 float* workspace, cudaStream_t stream) {
    const UnitArguments args = argumentsOf(query, queryStride, layer, rows, tables, shape, {});
    dispatchUnits(layer, [&]<KvType T, int kDim>() {
        launch("unitKernel", unitKernel<T, kDim>, gridOf(args), kUnitsPerBlock * 32, 0, stream, workspace,
               args);
    });
    launch("mergeUnitsKernel", mergeUnitsKernel,
           dim3(static_cast<unsigned>(out.groups), static_cast<unsigned>(rows.rows.decode)), kRuns * 32, 0,
           stream, out, workspace, rows.positions, layer.keyDim, args.shape);
}

}  // namespace kernels::detail
