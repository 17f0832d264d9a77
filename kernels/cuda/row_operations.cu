#include "kernels/cuda/row_operations.h"

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/launch.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = 256;

// addNorm: one block a row; the row stays in shared memory between its two or three passes. The number of
// threads, and with it the order of the sums, depends on the width alone.
template <int kThreads>
__global__ void __launch_bounds__(kThreads)
    addNormKernel(ActivationView out, float* residual, const float* branch, const float* branchNorm,
                  const float* norm, float epsilon, int width) {
    extern __shared__ float row[];  // [groups * 64]
    __shared__ float partial[kThreads / 32];
    const size_t offset = static_cast<size_t>(blockIdx.x) * width;
    letSuccessorStart();
    waitForPredecessor();
    float branchScale = 1.0F;
    if (branchNorm != nullptr) {
        float squares = 0.0F;
        for (int k = static_cast<int>(threadIdx.x); k < width; k += kThreads)
            squares = fmaf(branch[offset + k], branch[offset + k], squares);
        branchScale = rsqrtf(blockSum<kThreads>(squares, partial) / static_cast<float>(width) + epsilon);
    }
    float squares = 0.0F;
    for (int k = static_cast<int>(threadIdx.x); k < out.groups * 64; k += kThreads) {
        float x = 0.0F;
        if (k < width) {
            x = residual[offset + k];
            if (branch != nullptr) {
                const float b = branchNorm != nullptr ? branch[offset + k] * branchScale * branchNorm[k]
                                                      : branch[offset + k];
                x += b;
                residual[offset + k] = x;
            }
            squares = fmaf(x, x, squares);
            x *= norm[k];
        }
        row[k] = x;
    }
    const float scale = rsqrtf(blockSum<kThreads>(squares, partial) / static_cast<float>(width) + epsilon);
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (int group = static_cast<int>(threadIdx.x / 32); group < out.groups; group += kThreads / 32)
        storeGroup(out, static_cast<int>(blockIdx.x), group, row[group * 64 + lane] * scale,
                   row[group * 64 + 32 + lane] * scale);
}

__device__ float activate(float x, GateKind kind) {
    if (kind == GateKind::Silu) return x / (1.0F + expf(-x));
    return 0.5F * x * (1.0F + tanhf(0.7978845608028654F * (x + 0.044715F * x * x * x)));
}

// gatedActivation: one warp a group of 64 columns.
__global__ void __launch_bounds__(kThreads)
    gatedKernel(ActivationView out, const float* gate, const float* up, int stride, GateKind kind) {
    letSuccessorStart();
    waitForPredecessor();
    const int group = static_cast<int>(blockIdx.x * (kThreads / 32) + threadIdx.x / 32),
              row = static_cast<int>(blockIdx.y);
    if (group >= out.groups) return;
    const auto value = [&](int column) {
        const size_t offset = static_cast<size_t>(row) * stride + column;
        return column < out.width ? activate(gate[offset], kind) * up[offset] : 0.0F;
    };
    const int column = group * 64 + static_cast<int>(threadIdx.x % 32);
    storeGroup(out, row, group, value(column), value(column + 32));
}

__global__ void __launch_bounds__(kThreads)
    gatherKernel(ActivationView out, ActivationView in, const int32_t* index) {
    letSuccessorStart();
    waitForPredecessor();
    const size_t to = blockIdx.x, from = static_cast<size_t>(index[blockIdx.x]);
    const size_t width = in.width, groups = in.groups;
    for (size_t k = threadIdx.x; k < groups * 64; k += kThreads)
        out.quants[to * groups * 64 + k] = in.quants[from * groups * 64 + k];
    for (size_t k = threadIdx.x; k < groups; k += kThreads)
        out.facts[to * groups + k] = in.facts[from * groups + k];
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

/// Writes a row of `dim` values (shared memory) of K or V as the cache keeps it: quants first, then their
/// scales.
__device__ void storeKvRow(std::byte* to, KvType type, const float* values, int dim) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (int k = lane; k < dim; k += 32) {
        const float x = values[k];
        if (type == KvType::F32) {
            reinterpret_cast<float*>(to)[k] = x;
        } else if (type == KvType::F16) {
            reinterpret_cast<__half*>(to)[k] = __float2half(x);
        } else if (type == KvType::Q8_0) {
            const float largest = warpMax(fabsf(x));
            const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
            reinterpret_cast<int8_t*>(to)[k] = static_cast<int8_t>(__float2int_rn(x * inverse));
            if (lane == 0) reinterpret_cast<__half*>(to + dim)[k / 32] = __float2half(largest / 127.0F);
        } else {
            // The value of largest magnitude becomes -8, so that all sixteen levels are used.
            const float largest = warpMax(fabsf(x));
            const unsigned holders = __ballot_sync(0xffffffffU, fabsf(x) == largest);
            const float extreme = __shfl_sync(0xffffffffU, x, __ffs(static_cast<int>(holders)) - 1);
            const float scale = extreme / -8.0F;
            const float inverse = scale != 0.0F ? 1.0F / scale : 0.0F;
            const int quant = min(15, static_cast<int>(x * inverse + 8.5F));
            const int partner = __shfl_xor_sync(0xffffffffU, quant, 16);
            if (lane < 16)
                reinterpret_cast<uint8_t*>(to)[k / 32 * 16 + lane] =
                    static_cast<uint8_t>(quant | partner << 4);
            if (lane == 0) reinterpret_cast<__half*>(to + dim / 2)[k / 32] = __float2half(scale);
        }
    }
}

// ropeStore: one warp a head of a row: first the queries' heads, then the keys', then the values'.
constexpr int kHeadsPerBlock = 4;

__global__ void __launch_bounds__(kHeadsPerBlock * 32)
    ropeStoreKernel(RopeStore args, KvLayer layer, const int32_t* positions, const int32_t* slots) {
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
    float squares = 0.0F;
    for (int k = lane; k < dim; k += 32) {
        in[k] = source[k];
        squares = fmaf(in[k], in[k], squares);
    }
    __syncwarp();
    if (!isValue) {
        const float* norm = isQuery ? args.queryNorm : args.keyNorm;
        if (norm != nullptr) {
            const float scale = rsqrtf(warpSum(squares) / static_cast<float>(dim) + args.normEpsilon);
            for (int k = lane; k < dim; k += 32) in[k] = in[k] * scale * norm[k];
            __syncwarp();
        }
        const int half = args.rope.dimensions / 2;
        const int position = positions[row];
        for (int i = lane; i < half; i += 32) {
            // The angle reaches 1e5 radians, so it is formed and reduced in double; what is left is below pi.
            const double angle =
                static_cast<double>(position) * static_cast<double>(args.rope.inverseFrequency[i]);
            constexpr double kTurn = 6.283185307179586476925286766559;
            const auto reduced = static_cast<float>(fma(-rint(angle * (1.0 / kTurn)), kTurn, angle));
            float s, c;
            sincosf(reduced, &s, &c);
            s *= args.rope.magnitude;
            c *= args.rope.magnitude;
            const int first = args.rope.pairs == RopePairs::Interleaved ? 2 * i : i;
            const int second = args.rope.pairs == RopePairs::Interleaved ? 2 * i + 1 : i + half;
            const float a = in[first], b = in[second];
            out[first] = a * c - b * s;
            out[second] = a * s + b * c;
        }
        for (int k = args.rope.dimensions + lane; k < dim; k += 32) out[k] = in[k];
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
    storeKvRow(to + (static_cast<size_t>(head) * layer.blockTokens + token) * bytes, layer.type, result, dim);
}

}  // namespace

void addNorm(const ActivationView& out, float* residual, const float* branch, const float* branchNorm,
             const float* norm, float epsilon, int rows, int width, cudaStream_t stream) {
    const size_t shared = static_cast<size_t>(out.groups) * 64 * sizeof(float);
    if (width >= 1024)
        launch("addNorm", addNormKernel<1024>, dim3(rows), 1024, shared, stream, out, residual, branch,
               branchNorm, norm, epsilon, width);
    else
        launch("addNorm", addNormKernel<256>, dim3(rows), 256, shared, stream, out, residual, branch,
               branchNorm, norm, epsilon, width);
}

void gatedActivation(const ActivationView& out, const float* gate, const float* up, int stride, GateKind kind,
                     int rows, cudaStream_t stream) {
    launch("gatedActivation", gatedKernel, dim3(ceilDiv(out.groups, kThreads / 32), rows), kThreads, 0,
           stream, out, gate, up, stride, kind);
}

void gatherActivations(const ActivationView& out, const ActivationView& in, const int32_t* index, int rows,
                       cudaStream_t stream) {
    launch("gatherActivations", gatherKernel, dim3(rows), kThreads, 0, stream, out, in, index);
}

void addBias(float* out, int outStride, const float* bias, int rows, int width, cudaStream_t stream) {
    launch("addBias", biasKernel, dim3(ceilDiv(width, kThreads), rows), kThreads, 0, stream, out, outStride,
           bias, width);
}

void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows, const BlockTables& tables,
               cudaStream_t stream) {
    const int items = args.numHeads + 2 * layer.numKvHeads;
    const size_t shared = static_cast<size_t>(kHeadsPerBlock) * 2 *
                          (layer.keyDim > layer.valueDim ? layer.keyDim : layer.valueDim) * sizeof(float);
    launch("ropeStore", ropeStoreKernel, dim3(ceilDiv(items, kHeadsPerBlock), rows.rows.total()),
           kHeadsPerBlock * 32, shared, stream, args, layer, rows.positions, tables.slots);
}

}  // namespace kernels::detail
