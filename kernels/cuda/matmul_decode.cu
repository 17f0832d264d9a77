// Products of quantised matrices with a few rows, bound by reading the matrices once.
//
// Reference: out[r, n] = sum over groups of 64 of  xScale * sum over weight groups (scale * sum(q * xq) +
// minimum * sum(xq)), all of it in integers but for the last product where the type's scales are integers
// (the K types). Weights are the 16-row operand of m16n8k32, activations its 8 columns, so 1 to 8 rows cost
// the same reads and products.
#include <algorithm>

#include "kernels/cuda/row_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kThreads = kTileThreads;

template <int kColumns>
__device__ __forceinline__ void writeSums(const TileSums<kColumns>& sums, const MatrixProduct& product,
                                          int rowTile, int rows) {
    for (int index = static_cast<int>(threadIdx.x); index < kColumns * 16; index += kThreads) {
        const int matrixRow = rowTile * 16 + index % 16, row = index / 16;
        if (matrixRow >= product.w.rows || row >= rows) continue;
        product.out[static_cast<size_t>(row) * product.outStride + matrixRow] =
            sumSlices<kColumns>(sums.partial, sums.rowScales, product, row, matrixRow);
    }
}

/// Several activation rows: a block a row tile.
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

/// Where a warp is among the spans of the block's row tiles, which are a grid apart; the set's matrices have
/// the same columns and type. Each of the block's kWarps warps takes every kWarps-th slice.
template <DType T, int kWarps>
class TileWalk {
  public:
    __device__ __forceinline__ explicit TileWalk(const ProductSet& set) {
        enter(set, static_cast<int>(blockIdx.x));
        settle(set);
    }
    __device__ __forceinline__ void advance(const ProductSet& set) {
        span_ += kSlices;
        settle(set);
    }
    __device__ __forceinline__ bool isAt(int tile, int slice) const {
        return tile_ == tile && slice_ == slice;
    }
    __device__ __forceinline__ int span() const { return span_; }
    __device__ __forceinline__ int tiles(const ProductSet& set) const {
        return spanTiles(set.products[0].w, span_);
    }
    /// Nothing, if there is no span left.
    __device__ __forceinline__ void load(Span<T, 0>& to, const ProductSet& set, int lane) const {
        if (isThere(set)) to.load(data_ + span_ * SpanLayout<T>::kFullBytes, tiles(set), lane);
    }

  private:
    __device__ __forceinline__ bool isThere(const ProductSet& set) const {
        return tile_ < set.firstTile[kMaxProducts];
    }
    __device__ __forceinline__ void enter(const ProductSet& set, int tile) {
        tile_ = tile;
        slice_ = ownWarp();
        if (!isThere(set)) return;
        const int which = set.productOf(tile);
        rowTile_ = tile - set.firstTile[which];
        const PackedMatrix& w = set.products[which].w;
        data_ = w.data + static_cast<size_t>(rowTile_) * w.rowTileBytes;
        span_ = firstSpan(rowTile_, w.spans, slice_);
    }
    /// To the next span, if this slice has no more.
    __device__ __forceinline__ void settle(const ProductSet& set) {
        const int spans = set.products[0].w.spans;
        while (isThere(set) && span_ >= spans) {
            if (slice_ + kWarps < kSlices) {
                slice_ += kWarps;
                span_ = firstSpan(rowTile_, spans, slice_);
            } else {
                enter(set, tile_ + static_cast<int>(gridDim.x));
            }
        }
    }

    const std::byte* data_ = nullptr;
    int tile_ = 0, rowTile_ = 0, slice_ = 0, span_ = 0;
};

/// Warps of a block where blocks of kDecodeWarps would need a second round for a few row tiles.
constexpr int kThinWarps = 4;

/// How many blocks of a single row's products have registers on a multiprocessor. Groups of 16 take twice the
/// products, each with sums of its own.
template <DType T, bool kAhead, int kWarps>
constexpr int kRowBlocks = kWarps == kThinWarps                   ? (TypeFacts<T>::kGroup == 16 ? 4 : 5)
                           : TypeFacts<T>::kGroup == 16 || kAhead ? 2
                                                                  : 3;
template <int kWarps>
constexpr int kMixedBlocks = kWarps == kThinWarps ? 4 : 3;

/// One activation row: as many blocks as the card holds at a time walk over the row tiles, and ask for the
/// next one's weights before they add up the sums of the one at hand. With kAhead two spans are under way.
template <DType T, bool kAhead, int kWarps>
__global__ void __launch_bounds__(kWarps * 32, (kRowBlocks<T, kAhead, kWarps>))
    singleRowKernel(const __grid_constant__ ProductSet set, ActivationView x) {
    __shared__ float partial[2][kSlices * 16];
    __shared__ float rowScale[1];
    const int lane = static_cast<int>(threadIdx.x % 32), warp = ownWarp();
    const int step = static_cast<int>(gridDim.x);
    TileWalk<T, kWarps> at(set);
    Span<T, 0> now, next;
    at.load(now, set, lane);
    TileWalk<T, kWarps> following = at;
    following.advance(set);
    if constexpr (kAhead) following.load(next, set, lane);
    letSuccessorStart();
    waitForPredecessor();
    RowScales<1> scales;
    scales.load(x, 1, warp, lane);
    scales.store(rowScale, x, 1, warp, lane);
    int turn = 0;
    for (int tile = static_cast<int>(blockIdx.x); tile < set.firstTile[kMaxProducts]; tile += step) {
#pragma unroll 1
        for (int slice = warp; slice < kSlices; slice += kWarps) {
            SliceSums<T, 0, true> sums;
            while (at.isAt(tile, slice)) {
                sums.add(now, at.tiles(set), x, 1, at.span(), lane);
                at = following;
                following.advance(set);
                if constexpr (kAhead) {
                    now = next;
                    following.load(next, set, lane);
                } else {
                    at.load(now, set, lane);
                }
            }
            sums.store(partial[turn] + slice * 16, lane);
        }
        __syncthreads();
        // The others go on: they reach these sums again only after one more barrier.
        if (warp == turn && lane < 16) {
            const int which = set.productOf(tile), matrixRow = (tile - set.firstTile[which]) * 16 + lane;
            const MatrixProduct& product = set.products[which];
            if (matrixRow < product.w.rows)
                product.out[matrixRow] = sumSlices<1>(partial[turn], rowScale, product, 0, matrixRow);
        }
        turn ^= 1;
    }
}

/// Matrices of two types in one launch, a block a row tile: K_M mixes keep V in more bits than Q and K.
template <DType T, DType U, int kWarps>
__global__ void __launch_bounds__(kWarps * 32, (kMixedBlocks<kWarps>))
    mixedProductKernel(const __grid_constant__ ProductSet set, ActivationView x) {
    constexpr bool kUncounted = kWarps == kThinWarps;
    __shared__ TileSums<1> sums;
    const int which = set.productOf(static_cast<int>(blockIdx.x));
    const MatrixProduct& product = set.products[which];
    const int rowTile = static_cast<int>(blockIdx.x) - set.firstTile[which];
    if (product.w.type == T)
        multiplyRowTile<T, 0, false, kUncounted, kWarps>(product, rowTile, x, 1, ownWarp(), sums);
    else
        multiplyRowTile<U, 0, false, kUncounted, kWarps>(product, rowTile, x, 1, ownWarp(), sums);
    __syncthreads();
    writeSums(sums, product, rowTile, 1);
}

/// Float matrices: one warp a matrix row, bfloat16 activations, every lane's sum over its own columns, then
/// across lanes.
__global__ void __launch_bounds__(kThreads) plainKernel(MatrixProduct product, ActivationView x) {
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

/// `whole`, `thin`: blocks of both kinds that a multiprocessor holds.
bool needsThinBlocks(int tiles, int whole, int thin) {
    return tiles > whole * multiprocessors() && tiles <= thin * multiprocessors();
}

/// How many blocks walk over row tiles, of so many places. Where spans do not divide by slices some warps
/// have one more in a row tile; one block fewer lets these be others in a block's next row tile.
int walkingBlocks(int places, int spans) {
    return spans % kSlices != 0 && places * spans % kSlices == 0 ? places - 1 : places;
}

/// All these kernels add in the same order, so a result does not depend on the choice.
template <DType T, int kColumnTiles>
void launchTiles(const ProductSet& set, const ActivationView& x, int rows, cudaStream_t stream) {
    const int tiles = set.firstTile[kMaxProducts];
    if constexpr (kColumnTiles == 0) {
        const auto run = [&]<bool kAhead, int kWarps>() {
            const int places = kRowBlocks<T, kAhead, kWarps> * multiprocessors();
            const int blocks = tiles <= places ? tiles : walkingBlocks(places, set.products[0].w.spans);
            launch("singleRowKernel", singleRowKernel<T, kAhead, kWarps>, dim3(static_cast<unsigned>(blocks)),
                   kWarps * 32, 0, stream, set, x);
        };
        if (tiles <= 2 * multiprocessors())
            run.template operator()<true, kDecodeWarps>();
        else if (needsThinBlocks(tiles, kRowBlocks<T, false, kDecodeWarps>, kRowBlocks<T, false, kThinWarps>))
            run.template operator()<false, kThinWarps>();
        else
            run.template operator()<false, kDecodeWarps>();
    } else {
        const auto run = [&](auto* kernel) {
            launch("productKernel", kernel, dim3(static_cast<unsigned>(tiles)), kThreads, 0, stream, set, x,
                   rows);
        };
        // Two column tiles need the registers for their sums.
        if constexpr (kColumnTiles < 2)
            if (tiles <= 3 * multiprocessors()) return run(productKernel<T, kColumnTiles, true>);
        run(productKernel<T, kColumnTiles, false>);
    }
}

/// All products of `set` are of type T; rows are taken 16 at a time.
template <DType T>
void launchSet(ProductSet set, const ActivationView& x, int rows, cudaStream_t stream) {
    forSixteens(rows, [&]<int kColumnTiles>(int first, int count) {
        launchTiles<T, kColumnTiles>(set, x.from(first), count, stream);
        set.skipRows(16);
    });
}

/// Adds one more product, of another type, to a set and runs them as one; false for a pair of types that no
/// common mix of quantisations has.
bool launchMixed(ProductSet set, const MatrixProduct& last, int count, const ActivationView& x,
                 cudaStream_t stream) {
    set.place(count, last, last.w.rowTiles);
    const int tiles = set.firstTile[kMaxProducts];
    return dispatchPair(set.products[0].w.type, last.w.type, [&]<DType T, DType U>() {
        const auto run = [&]<int kWarps>() {
            launch("mixedProductKernel", mixedProductKernel<T, U, kWarps>, dim3(static_cast<unsigned>(tiles)),
                   kWarps * 32, 0, stream, set, x);
        };
        if (needsThinBlocks(tiles, kMixedBlocks<kDecodeWarps>, kMixedBlocks<kThinWarps>) &&
            set.products[0].w.spans >= kSlices)
            run.template operator()<kThinWarps>();
        else
            run.template operator()<kDecodeWarps>();
    });
}

}  // namespace

void matmulDecode(std::span<const MatrixProduct> products, const ActivationView& x, int rows,
                  cudaStream_t stream) {
    for (size_t begin = 0; begin < products.size();) {
        const DType type = products[begin].w.type;
        if (isPlain(type)) {
            const MatrixProduct& product = products[begin++];
            launch("plainKernel", plainKernel,
                   dim3(static_cast<unsigned>(ceilDiv(product.w.rows, kDecodeWarps)),
                        static_cast<unsigned>(rows)),
                   kThreads, 0, stream, product, x);
            continue;
        }
        ProductSet set{};
        int count = 0;
        while (begin < products.size() && count < kMaxProducts && products[begin].w.type == type) {
            const MatrixProduct& product = products[begin++];
            set.place(count++, product, product.w.rowTiles);
        }
        if (rows == 1 && begin + 1 == products.size() && count < kMaxProducts &&
            launchMixed(set, products[begin], count, x, stream))
            return;
        dispatchQuantised(type, [&]<DType T>() { launchSet<T>(set, x, rows, stream); });
    }
}

}  // namespace kernels::detail
