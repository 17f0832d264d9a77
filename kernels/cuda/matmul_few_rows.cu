// Products of a short prompt's rows: what a chat's next turn waits for. Unpacking a matrix to bfloat16 costs
// the same for one row as for a thousand; here it happens in shared memory, on the way to the tensor cores,
// so that the packed matrix is all that is read.
//
// Launch: a block for two row tiles (32 matrix rows) and 32 activation rows. Span by span eight warps unpack
// a tile of 64 columns each into fragments in shared memory, while four others multiply the span before,
// eight activation rows each. A sum is one chain over all columns, as the prefill product's are, so columns
// cannot be shared out, and the chain's latency is what a span takes at least. Weights are asked for three
// spans ahead, activations come through a ring of three.
#include <algorithm>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/packed_tile.cuh"
#include "kernels/cuda/product_set.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kRowTiles = 2;  ///< of a block
constexpr int kUnpackWarps = kRowTiles * kSpanTiles, kMultiplyWarps = 4;
constexpr int kThreads = (kUnpackWarps + kMultiplyWarps) * 32;
constexpr int kRows = 8 * kMultiplyWarps;            ///< activation rows of a block
constexpr int kColumns = 64 * kSpanTiles;            ///< of a span
constexpr int kSteps = kColumns / 16;                ///< products of a span, one after the other
constexpr int kFragments = kRowTiles * kSteps * 32;  ///< uint4 of a span
constexpr int kHeld = 3;                             ///< spans that an unpacking warp has asked for
constexpr int kStages = 3;                           ///< spans of activations under way
constexpr int kSharedBytes =
    2 * kFragments * static_cast<int>(sizeof(uint4)) + kStages * kRows * kColumns * 2;

/// A warp's tile of a span, as loaded.
template <DType T>
struct HeldTile {
    LaneTile<T> tile;
    uint2 supers;

    /// Tile `which` of span `span` of a row tile, if it is there. Most spans are full and need no counting.
    __device__ __forceinline__ void load(const PackedMatrix& w, const std::byte* rowTile, int span, int which,
                                         int lane) {
        if (span >= w.spans) return;
        const int tiles = spanTiles(w, span);
        const std::byte* data = rowTile + span * SpanLayout<T>::kFullBytes;
        if (tiles == kSpanTiles)
            load(data, SpanLayout<T>{kSpanTiles}, which, lane);
        else if (which < tiles)
            load(data, SpanLayout<T>{tiles}, which, lane);
    }

    /// To fragments [4 steps][lane]: a lane's four columns 4 t .. 4 t + 3 are two words of the fragments of
    /// lanes 2 (t mod 2) and the next, in the half of the columns that t / 2 names.
    __device__ __forceinline__ void unpack(uint4* fragments, int lane) const {
        const int g = lane / 4, t = lane % 4;
        uint32_t registers[8];
        unpackTile<T>(tile, registers);
        const LaneScale<T> scale(tile, supers);
#pragma unroll
        for (int quarter = 0; quarter < 4; ++quarter) {
            const uint2 low = unpackFour<T>(scale, registers, quarter, 0),
                        high = unpackFour<T>(scale, registers, quarter, 1);
            uint4* to = fragments + quarter * 32 + g * 4 + t % 2 * 2;
            reinterpret_cast<uint2*>(to)[t / 2] = {low.x, high.x};
            reinterpret_cast<uint2*>(to + 1)[t / 2] = {low.y, high.y};
        }
    }

  private:
    __device__ __forceinline__ void load(const std::byte* span, SpanLayout<T> layout, int which, int lane) {
        tile = loadTile<T>(span, layout, which, lane);
        supers = loadSupers<T>(span, layout, lane);
    }
};

/// Copies spans of all activation rows to shared memory, one after the other; zeros beyond the rows and
/// columns. A multiplying warp copies every fourth row, a lane eight columns of it.
class ActivationCopies {
  public:
    __device__ __forceinline__ ActivationCopies(const __nv_bfloat16* x, int width, int rows, int warp,
                                                int lane)
        : from_(x + static_cast<size_t>(warp) * width + lane * 8),
          width_(width),
          column_(lane * 8),
          rows_(rows - warp),
          to_(swizzled<kColumns>(warp, lane)),
          swapped_(swizzled<kColumns>(warp + 4, lane)) {}

    __device__ __forceinline__ void copyNext(__nv_bfloat16* tile) {
        const __nv_bfloat16* from = from_;
        const int rows = column_ < width_ ? rows_ : 0;
#pragma unroll
        for (int i = 0; i < kRows / kMultiplyWarps; ++i, from += kMultiplyWarps * width_)
            copySixteen(tile + (i % 2 == 0 ? to_ : swapped_) + i / 2 * 8 * kColumns,
                        i * kMultiplyWarps < rows ? from : from_, i * kMultiplyWarps < rows);
        from_ += kColumns;
        column_ += kColumns;
        commitCopies();
    }

  private:
    const __nv_bfloat16* from_;
    int width_, column_, rows_;
    int to_, swapped_;  ///< of the first row and of the one after, whose chunks lie in another order
};

/// Unpacking and multiplying warps meet, each at a place of its own.
__device__ __forceinline__ void meet() {
    asm volatile("barrier.sync 1, %0;" ::"n"(kThreads) : "memory");
}

/// The operands of two steps.
struct StepOperands {
    uint4 weights[kRowTiles][2];
    uint32_t rows[4];

    __device__ __forceinline__ void load(const uint4* fragments, const FragmentAddress<kColumns>& row,
                                         int pair) {
        loadMatrices(rows, row.at(0, pair * 4));
#pragma unroll
        for (int r = 0; r < kRowTiles; ++r)
#pragma unroll
            for (int half = 0; half < 2; ++half)
                weights[r][half] = fragments[(r * kSteps + pair * 2 + half) * 32];
    }
};

/// kTiles tiles of a span by eight activation rows. Operands are loaded a pair of steps ahead: a chain's
/// products wait for one another already.
template <int kTiles>
__device__ __forceinline__ void multiplySpan(float (&sums)[kRowTiles][4], const uint4* fragments,
                                             const FragmentAddress<kColumns>& row) {
    StepOperands at, next;
    at.load(fragments, row, 0);
#pragma unroll
    for (int pair = 0; pair < 2 * kTiles; ++pair) {
        if (pair + 1 < 2 * kTiles) next.load(fragments, row, pair + 1);
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
            for (int r = 0; r < kRowTiles; ++r)
                mmaBf16(sums[r], at.weights[r][half], at.rows[2 * half], at.rows[2 * half + 1]);
        at = next;
    }
}

template <DType T>
__device__ __forceinline__ void multiplyRowTiles(const MatrixProduct& product, int firstRowTile,
                                                 const __nv_bfloat16* x, int rows, std::byte* memory) {
    auto* fragments = reinterpret_cast<uint4*>(memory);  // [2][kRowTiles][kSteps][32]
    auto* activations = reinterpret_cast<__nv_bfloat16*>(fragments + 2 * kFragments);  // [kStages] tiles
    const PackedMatrix& w = product.w;
    const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    if (warp >= kMultiplyWarps) {
        const int which = (warp - kMultiplyWarps) % kSpanTiles, r = (warp - kMultiplyWarps) / kSpanTiles;
        const std::byte* data = spanData<T>(w, min(firstRowTile + r, w.rowTiles - 1), 0);
        fragments += (r * kSteps + which * 4) * 32;
        HeldTile<T> held[kHeld];
#pragma unroll
        for (int i = 0; i < kHeld; ++i) held[i].load(w, data, i, which, lane);
        letSuccessorStart();
        for (int first = 0; first < w.spans; first += kHeld) {
#pragma unroll
            for (int i = 0; i < kHeld; ++i) {
                const int span = first + i;
                if (span >= w.spans) break;
                if (which < spanTiles(w, span)) held[i].unpack(fragments + span % 2 * kFragments, lane);
                held[i].load(w, data, span + kHeld, which, lane);
                meet();
            }
        }
        return;
    }
    const auto stage = [&](int span) { return activations + span % kStages * kRows * kColumns; };
    ActivationCopies copies(x, w.columns, rows, warp, lane);
    letSuccessorStart();
    waitForPredecessor();
    copies.copyNext(stage(0));
    copies.copyNext(stage(1));
    float sums[kRowTiles][4] = {};
    for (int span = 0; span < w.spans; ++span) {
        waitForCopies<1>();
        meet();
        if (warp * 8 < rows) {
            const FragmentAddress<kColumns> row(stage(span), warp * 8 + lane % 8, lane / 8);
            const uint4* own = fragments + span % 2 * kFragments + lane;
            switch (spanTiles(w, span)) {
                case 4:
                    multiplySpan<4>(sums, own, row);
                    break;
                case 3:
                    multiplySpan<3>(sums, own, row);
                    break;
                case 2:
                    multiplySpan<2>(sums, own, row);
                    break;
                default:
                    multiplySpan<1>(sums, own, row);
            }
        }
        copies.copyNext(stage(span + 2));
    }
#pragma unroll
    for (int r = 0; r < kRowTiles; ++r)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int matrixRow = (firstRowTile + r) * 16 + lane / 4 + i / 2 * 8,
                      row = warp * 8 + 2 * (lane % 4) + i % 2;
            if (matrixRow < w.rows && row < rows)
                product.out[static_cast<size_t>(row) * product.outStride + matrixRow] = sums[r][i];
        }
}

/// Matrices of one type, or of two: K_M mixes keep V in more bits than Q and K.
template <DType T, DType U>
__global__ void __launch_bounds__(kThreads, 2)
    fewRowsKernel(const __grid_constant__ ProductSet set, const __nv_bfloat16* x, int rows) {
    extern __shared__ __align__(512) std::byte memory[];
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    const int firstRowTile = (static_cast<int>(blockIdx.x) - set.firstTile[which]) * kRowTiles;
    if (T == U || set.products[which].w.type == T)
        multiplyRowTiles<T>(set.products[which], firstRowTile, x, rows, memory);
    else
        multiplyRowTiles<U>(set.products[which], firstRowTile, x, rows, memory);
}

template <DType T, DType U>
void launchSet(ProductSet set, const ActivationView& x, int firstRow, int rows, cudaStream_t stream) {
    static const cudaError_t raised =
        cudaFuncSetAttribute(fewRowsKernel<T, U>, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes);
    checkCuda(raised, "shared memory of a product");
    for (int first = 0; first < rows; first += kRows) {
        launch("fewRowsKernel", fewRowsKernel<T, U>, dim3(static_cast<unsigned>(set.firstTile[kMaxProducts])),
               kThreads, kSharedBytes, stream, set,
               x.values + static_cast<size_t>(firstRow + first) * x.width, std::min(kRows, rows - first));
        set.skipRows(kRows);
    }
}

}  // namespace

bool multipliesFewRows() {
    static const bool can = deviceAttribute(cudaDevAttrComputeCapabilityMajor) >= 8 &&
                            deviceAttribute(cudaDevAttrMaxSharedMemoryPerBlockOptin) >= kSharedBytes;
    return can;
}

void multiplyFewRows(std::span<const MatrixProduct> products, const ActivationView& x, int firstRow, int rows,
                     cudaStream_t stream) {
    while (!products.empty()) {
        const DType first = products.front().w.type;
        DType second = first;
        ProductSet set{};
        int count = 0;
        while (count < kMaxProducts && static_cast<size_t>(count) < products.size()) {
            const MatrixProduct& product = products[static_cast<size_t>(count)];
            if (product.w.type != first && product.w.type != second) {
                if (second != first || !dispatchPair(first, product.w.type, [&]<DType, DType>() {})) break;
                second = product.w.type;
            }
            set.place(count++, product, ceilDiv(product.w.rowTiles, kRowTiles));
        }
        products = products.subspan(static_cast<size_t>(count));
        if (first == second)
            dispatchQuantised(first, [&]<DType T>() { launchSet<T, T>(set, x, firstRow, rows, stream); });
        else
            dispatchPair(first, second,
                         [&]<DType T, DType U>() { launchSet<T, U>(set, x, firstRow, rows, stream); });
    }
}

}  // namespace kernels::detail
