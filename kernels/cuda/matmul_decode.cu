// Products of quantised matrices with a few rows, bound by reading the matrices once.
//
// Reference: out[r, n] = sum over groups of 64 of  xScale * sum over weight groups (scale * sum(q * xq) +
// minimum * sum(xq)), all of it in integers but for the last product where the type's scales are integers
// (the K types). Weights are the 16-row operand of m16n8k32, activations its 8 columns, so 1 to 8 rows cost
// the same reads and products.
#include <algorithm>

#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/decode_tile.cuh"
#include "kernels/cuda/launch.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = kDecodeWarps * 32;

/// What the block's warps share.
template <int kColumns>
struct TileSums {
    float partial[kSlices * kColumns * 16];
    float rowScales[kColumns];
};

constexpr int columnsOf(int columnTiles) {
    return columnTiles == 0 ? 1 : columnTiles * 8;
}

/// A span of a row tile in a warp's registers.
template <DType T, int kColumnTiles>
struct Span {
    LaneTile<T> tiles[kSpanTiles];
    LaneScales<T> scales;

    __device__ __forceinline__ void load(const PackedMatrix& w, int rowTile, int span, int lane) {
        const std::byte* data = spanData<T>(w, rowTile, span);
        const SpanLayout<T> layout{spanTiles(w, span)};
#pragma unroll
        for (int i = 0; i < kSpanTiles; ++i)
            if (i < layout.tiles) tiles[i] = loadTile<T>(data, layout, i, lane);
        if constexpr (kColumnTiles == 0)
            scales = loadScales<T>(data, layout, lane);
        else
            scales.supers = loadSupers<T>(data, layout, lane);
    }
};

/// A warp's sums of one slice.
template <DType T, int kColumnTiles>
struct SliceSums {
    float single[2] = {0.0F, 0.0F};
    float sums[kSpanTiles][kColumnTiles == 0 ? 1 : kColumnTiles][4] = {};

    __device__ __forceinline__ void add(const Span<T, kColumnTiles>& at, int tiles, const ActivationView& x,
                                        int rows, int span, int lane) {
        if constexpr (kColumnTiles == 0) {
            addSpan<T>(
                single, [&](int i) { return at.tiles[i]; }, at.scales, tiles, x, span, lane);
        } else {
#pragma unroll
            for (int i = 0; i < kSpanTiles; ++i)
                if (i < tiles)
                    addTile<T, kColumnTiles>(sums[i], at.tiles[i], at.scales.supers, x, rows,
                                             span * kSpanTiles + i, lane);
        }
    }
    /// `to` [columns, 16] of the slice.
    __device__ __forceinline__ void store(float* to, int lane) const {
        const int g = lane / 4, t = lane % 4;
        if constexpr (kColumnTiles == 0) {
            const float low = addTiles(single[0]), high = addTiles(single[1]);
            if (t == 0) to[g] = low, to[g + 8] = high;
        } else {
#pragma unroll
            for (int c = 0; c < kColumnTiles; ++c)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    to[(c * 8 + 2 * t + i % 2) * 16 + g + i / 2 * 8] =
                        (sums[0][c][i] + sums[1][c][i]) + (sums[2][c][i] + sums[3][c][i]);
        }
    }
};

/// 16 matrix rows by eight warps, `warp` counts 0 .. 7; each takes two slices, one after the other. A warp
/// asks for all tiles of a span at once, and for its first span before it waits for the kernel before it.
/// With kAhead it also asks for the next span before it multiplies the one at hand: more registers a thread,
/// right where a matrix has too few rows to fill the card with blocks. kColumnTiles 0: one activation row.
/// `shared` is complete once all warps are through.
template <DType T, int kColumnTiles, bool kAhead>
__device__ __forceinline__ void multiplyRowTile(const DecodeProduct& product, int rowTile,
                                                const ActivationView& x, int rows, int warp,
                                                TileSums<columnsOf(kColumnTiles)>& shared) {
    constexpr int kColumns = columnsOf(kColumnTiles);
    const int lane = static_cast<int>(threadIdx.x % 32);
    const PackedMatrix& w = product.w;
    // The spans of the first slice, then those of the second.
    const int begins[2] = {firstSpan(rowTile, w.spans, warp),
                           firstSpan(rowTile, w.spans, warp + kDecodeWarps)};
    const auto nextOf = [&](int slice, int span) {
        span += kSlices;
        return slice == 0 && span >= w.spans ? begins[1] : span;
    };
    Span<T, kColumnTiles> at, next;
    int slice = begins[0] < w.spans ? 0 : 1, span = begins[slice];
    int following = nextOf(slice, span);
    if (span < w.spans) at.load(w, rowTile, span, lane);
    if constexpr (kAhead)
        if (following < w.spans) next.load(w, rowTile, following, lane);
    letSuccessorStart();
    waitForPredecessor();
    RowScales<kColumnTiles == 2 ? 2 : 1> scales;
    scales.load(x, rows, warp, lane);
#pragma unroll 1
    for (int s = 0; s < 2; ++s) {
        SliceSums<T, kColumnTiles> sums;
        while (slice == s && span < w.spans) {
            sums.add(at, spanTiles(w, span), x, rows, span, lane);
            if (slice == 0 && span + kSlices >= w.spans) slice = 1;
            span = following;
            following = nextOf(slice, span);
            if constexpr (kAhead) {
                at = next;
                if (following < w.spans) next.load(w, rowTile, following, lane);
            } else if (span < w.spans) {
                at.load(w, rowTile, span, lane);
            }
        }
        sums.store(shared.partial + (warp + s * kDecodeWarps) * kColumns * 16, lane);
    }
    scales.store(shared.rowScales, x, rows, warp, lane);
}

__device__ __forceinline__ int ownWarp() {
    return static_cast<int>(threadIdx.x / 32);
}

template <int kColumns>
__device__ __forceinline__ void writeSums(const TileSums<kColumns>& sums, const DecodeProduct& product,
                                          int rowTile, int rows) {
    for (int index = static_cast<int>(threadIdx.x); index < kColumns * 16; index += kThreads) {
        const int matrixRow = rowTile * 16 + index % 16, row = index / 16;
        if (matrixRow >= product.w.rows || row >= rows) continue;
        product.out[static_cast<size_t>(row) * product.outStride + matrixRow] =
            sumSlices<kColumns>(sums.partial, sums.rowScales, product, row, matrixRow);
    }
}

template <DType T, int kColumnTiles, bool kAhead>
__global__ void __launch_bounds__(kThreads, 2)
    productKernel(const __grid_constant__ ProductSet set, ActivationView x, int rows) {
    __shared__ TileSums<columnsOf(kColumnTiles)> sums;
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    const int rowTile = static_cast<int>(blockIdx.x) - set.firstTile[which];
    multiplyRowTile<T, kColumnTiles, kAhead>(set.products[which], rowTile, x, rows, ownWarp(), sums);
    __syncthreads();
    writeSums(sums, set.products[which], rowTile, rows);
}

/// One activation row, matrices of two types in one launch: K_M mixes keep V in more bits than Q and K.
template <DType T, DType U>
__global__ void __launch_bounds__(kThreads, 3)
    mixedProductKernel(const __grid_constant__ ProductSet set, ActivationView x) {
    __shared__ TileSums<1> sums;
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    const DecodeProduct& product = set.products[which];
    const int rowTile = static_cast<int>(blockIdx.x) - set.firstTile[which];
    if (product.w.type == T)
        multiplyRowTile<T, 0, true>(product, rowTile, x, 1, ownWarp(), sums);
    else
        multiplyRowTile<U, 0, true>(product, rowTile, x, 1, ownWarp(), sums);
    __syncthreads();
    writeSums(sums, product, rowTile, 1);
}

// Products that go on to the next product's input. 64 columns of the result are one group of that input, to
// be quantised together.

constexpr int kTilesPerGroup = 4;

/// A row tile's sums to `gathered` [columns, 64]; zeros beyond the matrix. `thread` counts 0 .. 255.
template <int kColumns>
__device__ __forceinline__ void gatherSums(float* gathered, const float* partial, const float* rowScales,
                                           const DecodeProduct& product, int rowTile, int rows, int thread) {
    float* to = gathered + rowTile % kTilesPerGroup * 16;
    for (int index = thread; index < rows * 16; index += kThreads) {
        const int matrixRow = rowTile * 16 + index % 16, row = index / 16;
        to[row * 64 + index % 16] = matrixRow < product.w.rows
                                        ? sumSlices<kColumns>(partial, rowScales, product, row, matrixRow)
                                        : 0.0F;
    }
}

/// x -> residual += w x, and that normed but for its root mean square. Launch: a cluster of two blocks a
/// group, eight warps a row tile; the first block gathers the sums and quantises.
template <DType T, int kColumnTiles>
__global__ void __launch_bounds__(2 * kThreads, 1)
    residualProductKernel(const __grid_constant__ DecodeProduct product, ActivationView x, int rows,
                          ResidualEnd end) {
    constexpr int kColumns = columnsOf(kColumnTiles);
    __shared__ TileSums<kColumns> sums[2];
    __shared__ float gathered[kColumns * 64];
    const int thread = static_cast<int>(threadIdx.x);
    const int half = thread / kThreads, rowTile = 2 * static_cast<int>(blockIdx.x) + half;
    const int group = rowTile / kTilesPerGroup;
    clusterArrive();
    if (rowTile < product.w.rowTiles)
        multiplyRowTile<T, kColumnTiles, (kColumnTiles < 2)>(product, rowTile, x, rows,
                                                             ownWarp() % kDecodeWarps, sums[half]);
    __syncthreads();
    clusterWait();
    gatherSums<kColumns>(inBlockOfCluster(gathered, 0), sums[half].partial, sums[half].rowScales, product,
                         rowTile, rows, thread % kThreads);
    clusterArrive();
    if (blockIdx.x % 2 != 0) return;
    const int row = thread / 8, own = thread % 8 * 8;
    const int column = group * 64 + own, width = end.out.width;
    const bool there = row < rows;
    float* residual = end.residual + static_cast<size_t>(row) * width;
    float values[8] = {}, norm[8] = {};
    if (there) {
        loadEight(residual, column, width, values);
        loadEight(end.norm, column, width, norm);
    }
    clusterWait();
    if (ownWarp() * 4 >= rows) return;
    if (there) {
#pragma unroll
        for (int i = 0; i < 8; ++i) values[i] = __fadd_rn(values[i], gathered[row * 64 + own + i]);
        storeEight(residual, column, width, values);
    }
    const size_t index = static_cast<size_t>(row) * end.out.groups + group;
    const float squares = groupSquares(values);
    if (there && own == 0) end.out.squares[index] = squares;
#pragma unroll
    for (int i = 0; i < 8; ++i) values[i] *= norm[i];
    quantiseEights(end.out.quants + index * 64, end.out.facts + index, values, there);
}

/// Float matrices: one warp a matrix row, bfloat16 activations, every lane's sum over its own columns, then
/// across lanes.
__global__ void __launch_bounds__(kThreads) plainKernel(DecodeProduct product, ActivationView x) {
    letSuccessorStart();
    waitForPredecessor();
    const PackedMatrix& w = product.w;
    const int matrixRow = static_cast<int>(blockIdx.x * kDecodeWarps + threadIdx.x / 32),
              lane = static_cast<int>(threadIdx.x % 32);
    if (matrixRow >= w.rows) return;
    const __nv_bfloat16* row = x.values + static_cast<size_t>(blockIdx.y) * x.width;
    float sum = 0.0F;
    for (int k = lane; k < w.columns; k += 32)
        sum = fmaf(plainValue(w, static_cast<size_t>(matrixRow) * w.columns + k), __bfloat162float(row[k]),
                   sum);
    sum = warpSum(sum);
    if (product.bias != nullptr) sum += product.bias[matrixRow];
    if (lane == 0) product.out[static_cast<size_t>(blockIdx.y) * product.outStride + matrixRow] = sum;
}

int multiprocessors() {
    static const int count = [] {
        int device = 0, value = 0;
        checkCuda(cudaGetDevice(&device), "device");
        checkCuda(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, device), "multiprocessors");
        return value;
    }();
    return count;
}

/// All these kernels add in the same order, so a result does not depend on the choice.
template <DType T, int kColumnTiles>
void launchTiles(const ProductSet& set, const ActivationView& x, int rows, cudaStream_t stream) {
    const int tiles = set.firstTile[kMaxProducts];
    const auto run = [&](auto* kernel) {
        launch("productKernel", kernel, dim3(static_cast<unsigned>(tiles)), kThreads, 0, stream, set, x,
               rows);
    };
    // Two column tiles need the registers for their sums.
    if constexpr (kColumnTiles < 2)
        if (tiles <= 3 * multiprocessors()) return run(productKernel<T, kColumnTiles, true>);
    run(productKernel<T, kColumnTiles, false>);
}

/// Calls run with the number of column tiles for each 16 rows.
template <class Run>
void forSixteens(int rows, Run&& run) {
    for (int first = 0; first < rows; first += 16) {
        const int count = std::min(rows - first, 16);
        if (count == 1)
            run.template operator()<0>(first, count);
        else if (count <= 8)
            run.template operator()<1>(first, count);
        else
            run.template operator()<2>(first, count);
    }
}

/// All products of `set` are of type T; rows are taken 16 at a time.
template <DType T>
void launchSet(ProductSet set, const ActivationView& x, int rows, cudaStream_t stream) {
    forSixteens(rows, [&]<int kColumnTiles>(int first, int count) {
        launchTiles<T, kColumnTiles>(set, x.from(first), count, stream);
        for (DecodeProduct& product : set.products)
            if (product.out != nullptr) product.out += static_cast<size_t>(16) * product.outStride;
    });
}

/// Adds one more product, of another type, to a set and runs them as one; false for a pair of types that no
/// common mix of quantisations has.
bool launchMixed(ProductSet set, const DecodeProduct& last, int count, const ActivationView& x,
                 cudaStream_t stream) {
    const DType first = set.products[0].w.type, second = last.w.type;
    set.products[count] = last;
    for (int i = count; i < kMaxProducts; ++i) set.firstTile[i + 1] = set.firstTile[count] + last.w.rowTiles;
    const auto run = [&](auto* kernel) {
        launch("mixedProductKernel", kernel, dim3(static_cast<unsigned>(set.firstTile[kMaxProducts])),
               kThreads, 0, stream, set, x);
        return true;
    };
    if (first == DType::Q4_K && second == DType::Q6_K)
        return run(mixedProductKernel<DType::Q4_K, DType::Q6_K>);
    if (first == DType::Q5_K && second == DType::Q6_K)
        return run(mixedProductKernel<DType::Q5_K, DType::Q6_K>);
    if (first == DType::Q4_K && second == DType::Q5_K)
        return run(mixedProductKernel<DType::Q4_K, DType::Q5_K>);
    return false;
}

template <DType T>
void launchResidual(const DecodeProduct& product, const ActivationView& x, int rows, const ResidualEnd& end,
                    cudaStream_t stream) {
    forSixteens(rows, [&]<int kColumnTiles>(int first, int count) {
        const ResidualEnd from{end.out.from(first), end.residual + static_cast<size_t>(first) * end.out.width,
                               end.norm};
        launchClusters("residualProductKernel", residualProductKernel<T, kColumnTiles>, 2,
                       dim3(static_cast<unsigned>(2 * end.out.groups)), 2 * kThreads, 0, stream, product,
                       x.from(first), count, from);
    });
}

}  // namespace

bool endsProducts(DType type) {
    return !isPlain(type) && overlapsLaunches();
}

void matmulResidual(const DecodeProduct& product, const ActivationView& x, int rows, const ResidualEnd& end,
                    cudaStream_t stream) {
    dispatchQuantised(product.w.type, [&]<DType T>() { launchResidual<T>(product, x, rows, end, stream); });
}

void matmulDecode(std::span<const DecodeProduct> products, const ActivationView& x, int rows,
                  cudaStream_t stream) {
    for (size_t begin = 0; begin < products.size();) {
        const DType type = products[begin].w.type;
        if (isPlain(type)) {
            const DecodeProduct& product = products[begin++];
            launch("plainKernel", plainKernel,
                   dim3(static_cast<unsigned>(ceilDiv(product.w.rows, kDecodeWarps)),
                        static_cast<unsigned>(rows)),
                   kThreads, 0, stream, product, x);
            continue;
        }
        ProductSet set{};
        int count = 0;
        while (begin < products.size() && count < kMaxProducts && products[begin].w.type == type) {
            set.products[count] = products[begin++];
            set.firstTile[count + 1] = set.firstTile[count] + set.products[count].w.rowTiles;
            ++count;
        }
        for (int i = count; i < kMaxProducts; ++i) set.firstTile[i + 1] = set.firstTile[count];
        if (rows == 1 && begin + 1 == products.size() && count < kMaxProducts &&
            launchMixed(set, products[begin], count, x, stream))
            return;
        dispatchQuantised(type, [&]<DType T>() { launchSet<T>(set, x, rows, stream); });
    }
}

}  // namespace kernels::detail
