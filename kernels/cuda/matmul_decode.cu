// Products of quantised matrices with a few rows, bound by reading the matrices once.
//
// Reference: out[r, n] = sum over groups of 64 of  xScale * sum over weight groups (scale * sum(q * xq) +
// minimum * sum(xq)), all of it in integers but for the last product where the type's scales are integers
// (the K types). Weights are the 16-row operand of m16n8k32, activations its 8 columns, so 1 to 8 rows cost
// the same reads and products.
#include "kernels/cuda/decode_tile.cuh"
#include "kernels/cuda/launch.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = kDecodeWarps * 32;

/// Launch: one block for 16 matrix rows; each warp takes two slices, one after the other. A warp asks for all
/// tiles of a span at once, and for its first span before it waits for the kernel before it. With kAhead it
/// also asks for the next span before it multiplies the one at hand: more registers a thread, right where a
/// matrix has too few rows to fill the card with blocks. kColumnTiles 0: one activation row.
template <DType T, int kColumnTiles, bool kAhead>
__device__ __forceinline__ void multiplyRowTile(const DecodeProduct& product, int rowTile,
                                                const ActivationView& x, int rows, float* partial) {
    constexpr int kColumns = kColumnTiles == 0 ? 1 : kColumnTiles * 8;
    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    const int g = lane / 4, t = lane % 4;
    const PackedMatrix& w = product.w;

    struct Span {
        LaneTile<T> tiles[kSpanTiles];
        LaneScales<T> scales;
    };
    const auto load = [&](Span& to, int span) {
        const std::byte* data = spanData<T>(w, rowTile, span);
        const SpanLayout<T> layout{spanTiles(w, span)};
#pragma unroll
        for (int i = 0; i < kSpanTiles; ++i)
            if (i < layout.tiles) to.tiles[i] = loadTile<T>(data, layout, i, lane);
        if constexpr (kColumnTiles == 0)
            to.scales = loadScales<T>(data, layout, lane);
        else
            to.scales.supers = loadSupers<T>(data, layout, lane);
    };
    // The spans of the first slice, then those of the second.
    const int begins[2] = {firstSpan(rowTile, w.spans, warp),
                           firstSpan(rowTile, w.spans, warp + kDecodeWarps)};
    const auto nextOf = [&](int slice, int span) {
        span += kSlices;
        return slice == 0 && span >= w.spans ? begins[1] : span;
    };
    Span at, next;
    int slice = begins[0] < w.spans ? 0 : 1, span = begins[slice];
    if (span < w.spans) load(at, span);
    letSuccessorStart();
    waitForPredecessor();

#pragma unroll 1
    for (int s = 0; s < 2; ++s) {
        float single[2] = {0.0F, 0.0F};
        float sums[kSpanTiles][kColumnTiles == 0 ? 1 : kColumnTiles][4] = {};
        while (slice == s && span < w.spans) {
            const int following = nextOf(slice, span);
            if constexpr (kAhead)
                if (following < w.spans) load(next, following);
            const int tiles = spanTiles(w, span);
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
            if (slice == 0 && span + kSlices >= w.spans) slice = 1;
            span = following;
            if constexpr (kAhead)
                at = next;
            else if (span < w.spans)
                load(at, span);
        }
        float* to = partial + (warp + s * kDecodeWarps) * kColumns * 16;
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
    __syncthreads();
    writeSums<kColumns>(partial, product, rowTile, rows, static_cast<int>(threadIdx.x));
}

template <DType T, int kColumnTiles, bool kAhead>
__global__ void __launch_bounds__(kThreads, 2)
    productKernel(const __grid_constant__ ProductSet set, ActivationView x, int rows) {
    __shared__ float partial[kSlices * (kColumnTiles == 0 ? 1 : kColumnTiles * 8) * 16];
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    multiplyRowTile<T, kColumnTiles, kAhead>(
        set.products[which], static_cast<int>(blockIdx.x) - set.firstTile[which], x, rows, partial);
}

/// One activation row, matrices of two types in one launch: K_M mixes keep V in more bits than Q and K.
template <DType T, DType U>
__global__ void __launch_bounds__(kThreads, 2)
    mixedProductKernel(const __grid_constant__ ProductSet set, ActivationView x) {
    __shared__ float partial[kSlices * 16];
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    const DecodeProduct& product = set.products[which];
    const int rowTile = static_cast<int>(blockIdx.x) - set.firstTile[which];
    if (product.w.type == T)
        multiplyRowTile<T, 0, true>(product, rowTile, x, 1, partial);
    else
        multiplyRowTile<U, 0, true>(product, rowTile, x, 1, partial);
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

ActivationView rowsFrom(ActivationView x, int row) {
    x.quants += static_cast<size_t>(row) * x.groups * 64;
    x.facts += static_cast<size_t>(row) * x.groups;
    x.values += static_cast<size_t>(row) * x.width;
    return x;
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

/// All products of `set` are of type T; rows are taken 16 at a time.
template <DType T>
void launchSet(ProductSet set, const ActivationView& x, int rows, cudaStream_t stream) {
    for (int first = 0; first < rows; first += 16) {
        const int count = rows - first < 16 ? rows - first : 16;
        const ActivationView from = rowsFrom(x, first);
        if (count == 1)
            launchTiles<T, 0>(set, from, count, stream);
        else if (count <= 8)
            launchTiles<T, 1>(set, from, count, stream);
        else
            launchTiles<T, 2>(set, from, count, stream);
        for (DecodeProduct& product : set.products)
            if (product.out != nullptr) product.out += static_cast<size_t>(16) * product.outStride;
    }
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

}  // namespace

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
