#include "kernels/cuda/row_operations.h"

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/head_rotation.cuh"
#include "kernels/cuda/kv_row.cuh"
#include "kernels/cuda/launch.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = 256;

// addNorm: one block a row, eight neighbouring values a thread at a time. The order of the sums depends on
// the width alone.
constexpr int kNormThreads = 512;

__global__ void __launch_bounds__(kNormThreads)
    addNormKernel(ActivationView out, float* residuals, const float* branches, const float* branchNorm,
                  const float* norm, float epsilon, int width) {
    __shared__ float partial[kNormThreads / 32];
    constexpr int kColumns = kNormThreads * 8;  // of one pass
    const int own = static_cast<int>(threadIdx.x) * 8, row = static_cast<int>(blockIdx.x);
    float* residual = residuals + static_cast<size_t>(row) * width;
    const float* branch = branches != nullptr ? branches + static_cast<size_t>(row) * width : nullptr;
    const auto meanScale = [&](float squares) {
        return rsqrtf(blockSum<kNormThreads>(squares, partial) / static_cast<float>(width) + epsilon);
    };
    float x[8], n[8];
    letSuccessorStart();
    loadEight(norm, own, width, n);  // weights wait for nobody
    waitForPredecessor();

    float branchScale = 1.0F;
    if (branchNorm != nullptr) {
        float squares = 0.0F;
        for (int column = own; column < width; column += kColumns) {
            float b[8];
            loadEight(branch, column, width, b);
#pragma unroll
            for (int i = 0; i < 8; ++i) squares = fmaf(b[i], b[i], squares);
        }
        branchScale = meanScale(squares);
    }
    // Whole warps go on, as they quantise together.
    float squares = 0.0F;  // a group's in the first of its eight lanes
    for (int column = own; column - own < out.groups * 64; column += kColumns) {
        const int group = column / 64;
        loadEight(residual, column, width, x);  // zeros beyond the row
        if (column != own) loadEight(norm, column, width, n);
        if (branch != nullptr) {
            float b[8], scales[8];
            loadEight(branch, column, width, b);
            if (branchNorm != nullptr) loadEight(branchNorm, column, width, scales);
#pragma unroll
            for (int i = 0; i < 8; ++i) x[i] += branchNorm != nullptr ? b[i] * branchScale * scales[i] : b[i];
            storeEight(residual, column, width, x);
        }
        const float ofGroup = groupSquares(x);
        const size_t index = static_cast<size_t>(row) * out.groups + group;
        if (threadIdx.x % 8 == 0 && group < out.groups) {
            out.squares[index] = ofGroup;
            squares += ofGroup;
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) x[i] *= n[i];
        quantiseEights(out.quants + index * 64, out.facts + index, x, group < out.groups);
    }
    const float scale = meanScale(squares);
    for (int column = own; column < width; column += kColumns) {
        if (width > kColumns) {
            loadEight(residual, column, width, x);
            loadEight(norm, column, width, n);
#pragma unroll
            for (int i = 0; i < 8; ++i) x[i] *= n[i];
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) x[i] *= scale;
        storeValues(out, row, column, x);
    }
}

__device__ float activate(float x, GateKind kind) {
    if (kind == GateKind::Silu) return __fdividef(x, 1.0F + expf(-x));
    return 0.5F * x * (1.0F + tanhf(0.7978845608028654F * (x + 0.044715F * x * x * x)));
}

// gatedActivation: one warp four groups of 64 columns.
__global__ void __launch_bounds__(kThreads)
    gatedKernel(ActivationView out, const float* gate, const float* up, int stride, GateKind kind) {
    letSuccessorStart();
    waitForPredecessor();
    const int row = static_cast<int>(blockIdx.y);
    const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * 8;
    const size_t offset = static_cast<size_t>(row) * stride;
    float values[8], factors[8];
    loadEight(gate + offset, column, out.width, values);
    loadEight(up + offset, column, out.width, factors);
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] = activate(values[i], kind) * factors[i];
    storeEights(out, row, column / 64, values, column / 64 < out.groups);
}

__global__ void __launch_bounds__(kThreads)
    gatherKernel(ActivationView out, ActivationView in, const int32_t* index) {
    letSuccessorStart();
    waitForPredecessor();
    const size_t to = blockIdx.x, from = static_cast<size_t>(index[blockIdx.x]);
    const size_t width = in.width, groups = in.groups;
    for (size_t k = threadIdx.x; k < groups * 64; k += kThreads)
        out.quants[to * groups * 64 + k] = in.quants[from * groups * 64 + k];
    for (size_t k = threadIdx.x; k < groups; k += kThreads) {
        out.facts[to * groups + k] = in.facts[from * groups + k];
        if (in.squares != nullptr) out.squares[to * groups + k] = in.squares[from * groups + k];
    }
    for (size_t k = threadIdx.x; k < width; k += kThreads)
        out.values[to * width + k] = in.values[from * width + k];
}

__global__ void __launch_bounds__(kThreads)
    biasKernel(float* out, int outStride, const float* bias, int width) {
    letSuccessorStart();
    waitForPredecessor();
    const int column = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
    if (column < width) out[static_cast<size_t>(blockIdx.y) * outStride + column] += bias[column];
}

__global__ void __launch_bounds__(kThreads)
    rotationsKernel(float2* out, Rope rope, const int32_t* positions, int half) {
    letSuccessorStart();
    waitForPredecessor();
    const int i = static_cast<int>(blockIdx.x * kThreads + threadIdx.x), row = static_cast<int>(blockIdx.y);
    if (i >= half) return;
    // The angle reaches 1e5 radians, so it is formed and reduced in double; what is left is below pi.
    const double angle = static_cast<double>(positions[row]) * static_cast<double>(rope.inverseFrequency[i]);
    constexpr double kTurn = 6.283185307179586476925286766559;
    float s, c;
    sincosf(static_cast<float>(fma(-rint(angle * (1.0 / kTurn)), kTurn, angle)), &s, &c);
    out[static_cast<size_t>(row) * half + i] = {c * rope.magnitude, s * rope.magnitude};
}

// ropeStore: one warp a head of a row: first the queries' heads, then the keys', then the values'.
constexpr int kHeadsPerBlock = 4;

__global__ void __launch_bounds__(kHeadsPerBlock * 32)
    ropeStoreKernel(RopeStore args, KvLayer layer, const int32_t* slots) {
    extern __shared__ float heads[];  // [kHeadsPerBlock, 2, largest dim]
    letSuccessorStart();
    waitForPredecessor();
    const int item = static_cast<int>(blockIdx.x * kHeadsPerBlock + threadIdx.x / 32),
              lane = static_cast<int>(threadIdx.x % 32);
    if (item >= args.numHeads + 2 * layer.numKvHeads) return;
    const int row = static_cast<int>(blockIdx.y);
    const bool isQuery = item < args.numHeads, isValue = item >= args.numHeads + layer.numKvHeads;
    const int head = isQuery ? item : (item - args.numHeads) % layer.numKvHeads;
    const int dim = isValue ? layer.valueDim : layer.keyDim;
    const float* source = isQuery   ? args.query + static_cast<size_t>(row) * args.queryStride + head * dim
                          : isValue ? args.value + static_cast<size_t>(row) * args.valueStride + head * dim
                                    : args.key + static_cast<size_t>(row) * args.keyStride + head * dim;
    const int largestDim = max(layer.keyDim, layer.valueDim);
    float* in = heads + static_cast<size_t>(threadIdx.x / 32) * 2 * largestDim;
    float* out = in + largestDim;
    for (int k = lane; k < dim; k += 32) in[k] = source[k];
    __syncwarp();
    if (!isValue) {
        const float* norm = isQuery ? args.queryNorm : args.keyNorm;
        if (norm != nullptr) {
            // Lane t of four adds the values that it has where heads are in registers (HeadRotation).
            float squares = 0.0F;
            for (int i = 0; i < dim; i += 32)
                for (int k = i + lane % 4 * 8; k < min(dim, i + lane % 4 * 8 + 8); ++k)
                    squares = fmaf(in[k], in[k], squares);
            const float scale = headScale(squares, dim, args.normEpsilon);
            for (int k = lane; k < dim; k += 32) in[k] = in[k] * scale * norm[k];
            __syncwarp();
        }
        const int half = args.dimensions / 2;
        const auto* by = reinterpret_cast<const float2*>(args.rotations) + static_cast<size_t>(row) * half;
        for (int i = lane; i < half; i += 32) {
            const int first = args.pairs == RopePairs::Interleaved ? 2 * i : i;
            const int second = args.pairs == RopePairs::Interleaved ? 2 * i + 1 : i + half;
            float a = in[first], b = in[second];
            rotatePair(a, b, by[i]);
            out[first] = a;
            out[second] = b;
        }
        for (int k = args.dimensions + lane; k < dim; k += 32) out[k] = in[k];
        __syncwarp();
    }
    const float* result = isValue ? in : out;
    if (isQuery) {
        float* query = args.query + static_cast<size_t>(row) * args.queryStride + head * dim;
        for (int k = lane; k < dim; k += 32) query[k] = result[k];
        return;
    }
    const int slot = slots[row], block = slot / layer.blockTokens, token = slot % layer.blockTokens;
    std::byte* to = layer.base + static_cast<size_t>(block) * layer.blockBytes();
    if (isValue) to += static_cast<size_t>(layer.numKvHeads) * layer.blockTokens * layer.keyRowBytes();
    const size_t bytes = isValue ? layer.valueRowBytes() : layer.keyRowBytes();
    storeKvRow(to + (static_cast<size_t>(head) * layer.blockTokens + token) * bytes, layer.type, dim,
               [result](int k) { return result[k]; });
}

}  // namespace

void addNorm(const ActivationView& out, float* residual, const float* branch, const float* branchNorm,
             const float* norm, float epsilon, int rows, int width, cudaStream_t stream) {
    launch("addNorm", addNormKernel, dim3(rows), kNormThreads, 0, stream, out, residual, branch, branchNorm,
           norm, epsilon, width);
}

void gatedActivation(const ActivationView& out, const float* gate, const float* up, int stride, GateKind kind,
                     int rows, cudaStream_t stream) {
    // Few rows are spread over many multiprocessors.
    const int threads = rows <= 16 ? 64 : kThreads;
    launch("gatedActivation", gatedKernel, dim3(ceilDiv(out.groups * 8, threads), rows), threads, 0, stream,
           out, gate, up, stride, kind);
}

void gatherActivations(const ActivationView& out, const ActivationView& in, const int32_t* index, int rows,
                       cudaStream_t stream) {
    launch("gatherActivations", gatherKernel, dim3(rows), kThreads, 0, stream, out, in, index);
}

void addBias(float* out, int outStride, const float* bias, int rows, int width, cudaStream_t stream) {
    launch("addBias", biasKernel, dim3(ceilDiv(width, kThreads), rows), kThreads, 0, stream, out, outStride,
           bias, width);
}

void rotations(float* out, const Rope& rope, const int32_t* positions, int rows, cudaStream_t stream) {
    const int half = rope.dimensions / 2;
    launch("rotations", rotationsKernel, dim3(ceilDiv(half, kThreads), rows), kThreads, 0, stream,
           reinterpret_cast<float2*>(out), rope, positions, half);
}

void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows, const BlockTables& tables,
               cudaStream_t stream) {
    const int items = args.numHeads + 2 * layer.numKvHeads;
    const size_t shared = static_cast<size_t>(kHeadsPerBlock) * 2 *
                          (layer.keyDim > layer.valueDim ? layer.keyDim : layer.valueDim) * sizeof(float);
    launch("ropeStore", ropeStoreKernel, dim3(ceilDiv(items, kHeadsPerBlock), rows.rows.total()),
           kHeadsPerBlock * 32, shared, stream, args, layer, tables.slots);
}

}  // namespace kernels::detail
