// Products of a short prompt's rows: what a chat's next turn waits for. Unpacking a matrix to bfloat16 costs
// the same for one row as for a thousand; here it happens in shared memory, on the way to the tensor cores,
// so that the packed matrix is all that is read.
//
// Launch: a block of four warps for two row tiles (32 matrix rows) and 32 activation rows. Span by span each
// warp unpacks one tile of 64 columns of both row tiles into fragments that all of them read, and multiplies
// eight activation rows. A sum is one chain over all columns, as the prefill product's are, so columns cannot
// be shared out; weights are asked for two spans ahead, activations come through a ring of three.
#include <algorithm>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/packed_tile.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kWarps = kSpanTiles, kThreads = kWarps * 32;
constexpr int kRowTiles = 2;                      ///< of a block
constexpr int kRows = 8 * kWarps;                 ///< activation rows of a block
constexpr int kColumns = 64 * kSpanTiles;         ///< of a span
constexpr int kSteps = kColumns / 16;             ///< products of a span, one after the other
constexpr int kFragments = kRowTiles * kSteps * 32;  ///< uint4 of a span
constexpr int kStages = 3;
constexpr int kSharedBytes =
    2 * kFragments * static_cast<int>(sizeof(uint4)) + kStages * kRows * kColumns * 2;

/// A warp's tile of a span, of each row tile, as loaded.
template <DType T>
struct HeldTiles {
    LaneTile<T> tiles[kRowTiles];
    uint2 supers[kRowTiles];

    __device__ __forceinline__ void load(const PackedMatrix& w, int firstRowTile, int span, int warp,
                                         int lane) {
        if (span >= w.spans || warp >= spanTiles(w, span)) return;
        const SpanLayout<T> layout{spanTiles(w, span)};
#pragma unroll
        for (int r = 0; r < kRowTiles; ++r) {
            const std::byte* data = spanData<T>(w, min(firstRowTile + r, w.rowTiles - 1), span);
            tiles[r] = loadTile<T>(data, layout, warp, lane);
            supers[r] = loadSupers<T>(data, layout, lane);
        }
    }

    /// To fragments [row tile][step][lane]: a lane's four columns 4 t .. 4 t + 3 are two words of the
    /// fragments of lanes 2 (t mod 2) and the next, in the half of the columns that t / 2 names.
    __device__ __forceinline__ void unpack(uint4* fragments, int warp, int lane) const {
        const int g = lane / 4, t = lane % 4;
#pragma unroll
        for (int r = 0; r < kRowTiles; ++r) {
            uint32_t registers[8];
            unpackTile<T>(tiles[r], registers);
#pragma unroll
            for (int quarter = 0; quarter < 4; ++quarter) {
                const uint2 low = unpackFour<T>(tiles[r], registers, supers[r], quarter, 0),
                            high = unpackFour<T>(tiles[r], registers, supers[r], quarter, 1);
                uint4* to = fragments + (r * kSteps + warp * 4 + quarter) * 32 + g * 4 + t % 2 * 2;
                reinterpret_cast<uint2*>(to)[t / 2] = {low.x, high.x};
                reinterpret_cast<uint2*>(to + 1)[t / 2] = {low.y, high.y};
            }
        }
    }
};

/// Columns of a span of all activation rows; zeros beyond them. The whole block calls it.
__device__ __forceinline__ void loadActivations(__nv_bfloat16* to, const __nv_bfloat16* x, int width, int rows,
                                                int span) {
#pragma unroll
    for (int i = 0; i < kRows * kColumns / 8 / kThreads; ++i) {
        const int at = i * kThreads + static_cast<int>(threadIdx.x);
        const int row = at / (kColumns / 8), chunk = at % (kColumns / 8), column = span * kColumns + chunk * 8;
        const bool there = row < rows && column < width;
        copySixteen(to + swizzled<kColumns>(row, chunk),
                    there ? x + static_cast<size_t>(row) * width + column : x, there);
    }
}

template <DType T>
__global__ void __launch_bounds__(kThreads, 2)
    fewRowsKernel(float* out, int outStride, PackedMatrix w, const __nv_bfloat16* x, int rows) {
    extern __shared__ __align__(512) std::byte memory[];
    auto* fragments = reinterpret_cast<uint4*>(memory);                                // [2][kFragments]
    auto* activations = reinterpret_cast<__nv_bfloat16*>(fragments + 2 * kFragments);  // [kStages][kRows, kColumns]
    const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    const int firstRowTile = static_cast<int>(blockIdx.x) * kRowTiles;
    const auto stage = [&](int span) { return activations + span % kStages * kRows * kColumns; };
    const auto loadStage = [&](int span) {
        if (span < w.spans) loadActivations(stage(span), x, w.columns, rows, span);
        commitCopies();
    };

    HeldTiles<T> held, next;
    held.load(w, firstRowTile, 0, warp, lane);
    next.load(w, firstRowTile, 1, warp, lane);
    letSuccessorStart();
    waitForPredecessor();
    loadStage(0);
    loadStage(1);
    if (warp < spanTiles(w, 0)) held.unpack(fragments, warp, lane);
    float sums[kRowTiles][4] = {};
    for (int span = 0; span < w.spans; ++span) {
        waitForCopies<1>();
        __syncthreads();
        loadStage(span + 2);
        held = next;
        next.load(w, firstRowTile, span + 2, warp, lane);
        if (span + 1 < w.spans && warp < spanTiles(w, span + 1))
            held.unpack(fragments + (span + 1) % 2 * kFragments, warp, lane);
        if (warp * 8 >= rows) continue;
        const FragmentAddress<kColumns> row(stage(span), warp * 8 + lane % 8, lane / 8);
        const uint4* own = fragments + span % 2 * kFragments + lane;
        const int tiles = spanTiles(w, span);
#pragma unroll
        for (int tile = 0; tile < kSpanTiles; ++tile) {
            if (tile >= tiles) break;
#pragma unroll
            for (int pair = 0; pair < 2; ++pair) {
                uint32_t b[4];
                loadMatrices(b, row.at(0, tile * 8 + pair * 4));
#pragma unroll
                for (int step = 0; step < 2; ++step)
#pragma unroll
                    for (int r = 0; r < kRowTiles; ++r)
                        mmaBf16(sums[r], own[(r * kSteps + tile * 4 + pair * 2 + step) * 32], b[2 * step],
                                b[2 * step + 1]);
            }
        }
    }
    const int g = lane / 4, t = lane % 4;
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int matrixRow = (firstRowTile + r) * 16 + g + i / 2 * 8, row = warp * 8 + 2 * t + i % 2;
            if (matrixRow < w.rows && row < rows)
                out[static_cast<size_t>(row) * outStride + matrixRow] = sums[r][i];
        }
}

}  // namespace

bool multipliesFewRows() {
    static const bool can = [] {
        int device = 0, major = 0, bytes = 0;
        return cudaGetDevice(&device) == cudaSuccess &&
               cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
               cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) ==
                   cudaSuccess &&
               major >= 8 && bytes >= kSharedBytes;
    }();
    return can;
}

void multiplyFewRows(float* out, int outStride, const PackedMatrix& w, const ActivationView& x, int firstRow,
                     int rows, cudaStream_t stream) {
    dispatchQuantised(w.type, [&]<DType T>() {
        static const cudaError_t raised = cudaFuncSetAttribute(
            fewRowsKernel<T>, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes);
        checkCuda(raised, "shared memory of a product");
        for (int first = 0; first < rows; first += kRows)
            launch("fewRowsKernel", fewRowsKernel<T>, dim3(static_cast<unsigned>(ceilDiv(w.rowTiles, kRowTiles))),
                   kThreads, kSharedBytes, stream, out + static_cast<size_t>(first) * outStride, outStride, w,
                   x.values + static_cast<size_t>(firstRow + first) * x.width, std::min(kRows, rows - first));
    });
}

}  // namespace kernels::detail
