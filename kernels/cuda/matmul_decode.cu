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

/// Launch: one block for 16 matrix rows; a warp asks for all tiles of a span at once, and for its first span
/// before it waits for the kernel before it. With kAhead it also asks for the next span before it multiplies
/// the one at hand: more registers a thread, right where a matrix has too few rows to fill the card with
/// blocks.
template <DType T, int kColumnTiles, bool kSingle, bool kAhead>
__global__ void __launch_bounds__(kThreads, 2)
    productKernel(const __grid_constant__ ProductSet set, ActivationView x, int rows) {
    __shared__ float partial[kDecodeWarps * kColumnTiles * 128];
    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    const DecodeProduct& product = set.products[which];
    const PackedMatrix& w = product.w;
    const int rowTile = static_cast<int>(blockIdx.x) - set.firstTile[which];

    struct Span {
        LaneTile<T> tiles[kSpanTiles];
        uint2 supers;
    };
    const auto load = [&](Span& to, int span) {
        const std::byte* data = spanData<T>(w, rowTile, span);
        const SpanLayout<T> layout{spanTiles(w, span)};
#pragma unroll
        for (int i = 0; i < kSpanTiles; ++i)
            if (i < layout.tiles) to.tiles[i] = loadTile<T>(data, layout, i, lane);
        to.supers = loadSupers<T>(data, layout, lane);
    };
    float sums[kColumnTiles][4] = {};
    const auto multiply = [&](const Span& at, int span) {
        const int tiles = spanTiles(w, span);
#pragma unroll
        for (int i = 0; i < kSpanTiles; ++i)
            if (i < tiles)
                addTile<T, kColumnTiles, kSingle>(sums, at.tiles[i], at.supers, x, rows,
                                                  span * kSpanTiles + i, lane);
    };
    Span first, second;
    if (warp < w.spans) load(first, warp);
    if constexpr (kAhead)
        if (warp + kDecodeWarps < w.spans) load(second, warp + kDecodeWarps);
    letSuccessorStart();
    waitForPredecessor();

    if constexpr (kAhead) {
        for (int span = warp; span < w.spans; span += 2 * kDecodeWarps) {
            multiply(first, span);
            if (span + 2 * kDecodeWarps < w.spans) load(first, span + 2 * kDecodeWarps);
            if (span + kDecodeWarps >= w.spans) break;
            multiply(second, span + kDecodeWarps);
            if (span + 3 * kDecodeWarps < w.spans) load(second, span + 3 * kDecodeWarps);
        }
    } else {
        for (int span = warp; span < w.spans; span += kDecodeWarps) {
            if (span != warp) load(first, span);
            multiply(first, span);
        }
    }
#pragma unroll
    for (int c = 0; c < kColumnTiles; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i) partial[((warp * kColumnTiles + c) * 4 + i) * 32 + lane] = sums[c][i];
    __syncthreads();
    writeSums<kColumnTiles, kSingle>(partial, product, rowTile, rows, static_cast<int>(threadIdx.x));
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

/// Both kernels add in the same order, so a result does not depend on the choice.
template <DType T, int kColumnTiles, bool kSingle>
void launchTiles(const ProductSet& set, const ActivationView& x, int rows, cudaStream_t stream) {
    const int tiles = set.firstTile[kMaxProducts];
    const auto run = [&](auto* kernel) {
        launch("productKernel", kernel, dim3(static_cast<unsigned>(tiles)), kThreads, 0, stream, set, x,
               rows);
    };
    // Two column tiles need the registers for their sums.
    if constexpr (kColumnTiles == 1)
        if (tiles <= 3 * multiprocessors()) return run(productKernel<T, kColumnTiles, kSingle, true>);
    run(productKernel<T, kColumnTiles, kSingle, false>);
}

/// All products of `set` are of type T; rows are taken 16 at a time.
template <DType T>
void launchSet(ProductSet set, const ActivationView& x, int rows, cudaStream_t stream) {
    for (int first = 0; first < rows; first += 16) {
        const int count = rows - first < 16 ? rows - first : 16;
        const ActivationView from = rowsFrom(x, first);
        if (count == 1)
            launchTiles<T, 1, true>(set, from, count, stream);
        else if (count <= 8)
            launchTiles<T, 1, false>(set, from, count, stream);
        else
            launchTiles<T, 2, false>(set, from, count, stream);
        for (DecodeProduct& product : set.products)
            if (product.out != nullptr) product.out += static_cast<size_t>(16) * product.outStride;
    }
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
        dispatchQuantised(type, [&]<DType T>() { launchSet<T>(set, x, rows, stream); });
    }
}

}  // namespace kernels::detail
