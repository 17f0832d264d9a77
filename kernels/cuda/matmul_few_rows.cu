// Products of a short prompt's rows: what a chat's next turn waits for. Unpacking a matrix to bfloat16 costs
// the same for one row as for a thousand; here it happens in registers, on the way to the tensor cores, so
// that the packed matrix is all that is read. Matrices of few row tiles go to matmul_few_tiles.cu.
//
// Launch: two blocks a multiprocessor as far as that goes, each of their warps with one row tile (16 matrix
// rows) and all activation rows: what a lane unpacks is its own operand of the tensor cores. A sum is one
// chain over all columns, as the prefill product's are, so columns cannot be shared out. Spans (256 columns)
// of weights are asked for ahead in registers; spans of activations come through a ring in shared memory.
#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/few_tiles.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/packed_tile.cuh"
#include "kernels/cuda/product_set.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kMaxWarps = 8;  ///< of a block
constexpr int kBlocks = 2;    ///< a multiprocessor
constexpr int kStages = 3;    ///< spans of activations under way

/// Values of a stage, for eight activation rows a column tile.
constexpr int stageValues(int columnTiles) {
    return columnTiles * 8 * kSpanColumns;
}
constexpr int sharedBytes(int columnTiles) {
    return kStages * stageValues(columnTiles) * static_cast<int>(sizeof(__nv_bfloat16));
}

/// A warp's row tile by up to 8 kColumnTiles activation rows, span by span.
template <DType T, int kColumnTiles>
class RowTile {
  public:
    /// Full spans that are held in registers: the one at hand, whose tiles are replaced as they are used, and
    /// one more where that spills nothing.
    static constexpr int kHeld = kColumnTiles > 4 || T == DType::Q5_1 || T == DType::Q8_0 ? 1 : 2;

    __device__ __forceinline__ RowTile(const PackedMatrix& w, int rowTile, int lane)
        : data_(spanData<T>(w, rowTile, 0)), full_(w.kTiles / kSpanTiles), lane_(lane) {
        if (full_ == 0) return;
#pragma unroll
        for (int held = 0; held < kHeld; ++held) {
#pragma unroll
            for (int i = 0; i < kSpanTiles; ++i) load(held_[held], at(held), i);
        }
    }

    /// Adds full span `span`, which is held in place kPlace, and asks for the one that takes its place.
    template <int kPlace>
    __device__ __forceinline__ void addFull(int span, const __nv_bfloat16* activations) {
        Held& held = held_[kPlace];
        const std::byte* ahead = at(span + kHeld);
        const FragmentAddress<kSpanColumns> rows(activations, lane_ % 8, lane_ / 8);
#pragma unroll
        for (int i = 0; i < kSpanTiles; ++i) {
            const Unpacked unpacked(held.tiles[i], held.supers);
            load(held, ahead, i);
            addTile(unpacked, rows, i);
        }
    }

    /// Adds the `tiles` tiles of the last span.
    __device__ __forceinline__ void addPart(int tiles, const __nv_bfloat16* activations) {
        const std::byte* data = data_ + full_ * SpanLayout<T>::kFullBytes;
        const SpanLayout<T> layout{tiles};
        const uint2 supers = loadSupers<T>(data, layout, lane_);
        const FragmentAddress<kSpanColumns> rows(activations, lane_ % 8, lane_ / 8);
#pragma unroll
        for (int i = 0; i < kSpanTiles - 1; ++i)
            if (i < tiles) addTile(Unpacked(loadTile<T>(data, layout, i, lane_), supers), rows, i);
    }

    __device__ __forceinline__ void store(const MatrixProduct& product, int rowTile, int rows) const {
        storeSums(product, rowTile, 0, rows, sums_, lane_);
    }

  private:
    struct Held {
        LaneTile<T> tiles[kSpanTiles];
        uint2 supers;
    };
    struct Unpacked {
        uint32_t quants[8];
        LaneScale<T> scale;

        __device__ __forceinline__ Unpacked(const LaneTile<T>& tile, uint2 supers) : scale(tile, supers) {
            unpackTile<T>(tile, quants);
        }
    };

    /// Of a full span; of the last one, if there is no such span.
    __device__ __forceinline__ const std::byte* at(int span) const {
        return data_ + min(span, full_ - 1) * SpanLayout<T>::kFullBytes;
    }
    /// Tile i of a full span, and with the last one the span's super-scales.
    __device__ __forceinline__ void load(Held& to, const std::byte* span, int i) {
        constexpr SpanLayout<T> kLayout{kSpanTiles};
        to.tiles[i] = loadTile<T>(span, kLayout, i, lane_);
        if (i == kSpanTiles - 1) to.supers = loadSupers<T>(span, kLayout, lane_);
    }
    /// Tile i of the span whose rows these are.
    __device__ __forceinline__ void addTile(const Unpacked& tile, const FragmentAddress<kSpanColumns>& rows,
                                            int i) {
#pragma unroll
        for (int pair = 0; pair < 2; ++pair) {
            uint32_t values[kColumnTiles][4];  // of two steps
#pragma unroll
            for (int n = 0; n < kColumnTiles; ++n) loadMatrices(values[n], rows.at(n * 8, i * 8 + pair * 4));
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const uint4 weights = unpackStep<T>(tile.scale, tile.quants, pair * 2 + half);
#pragma unroll
                for (int n = 0; n < kColumnTiles; ++n)
                    mmaBf16(sums_[n], weights, values[n][2 * half], values[n][2 * half + 1]);
            }
        }
    }

    const std::byte* data_;
    int full_, lane_;  ///< full spans
    Held held_[kHeld];
    float sums_[kColumnTiles][4] = {};
};

/// Copies spans of all activation rows to shared memory, as FragmentAddress finds them; zeros beyond the
/// columns. A warp copies every so many-th row, a lane eight columns of it.
class ActivationCopies {
  public:
    __device__ __forceinline__ ActivationCopies(const __nv_bfloat16* x, int width, int rows, int warp,
                                                int warps, int lane)
        : from_(x + static_cast<size_t>(warp) * width + lane * 8),
          step_(warps * width),
          column_(lane * 8),
          width_(width),
          rows_(rows),
          warp_(warp),
          warps_(warps),
          lane_(lane) {}

    /// The next span's, if there is one.
    __device__ __forceinline__ void copyNext(__nv_bfloat16* stage) {
        const bool there = column_ < width_;
        const __nv_bfloat16* from = from_;
#pragma unroll 4
        for (int row = warp_; row < rows_; row += warps_) {
            copySixteen(stage + swizzled<kSpanColumns>(row, lane_), from, there);
            if (there) from += step_;
        }
        commitCopies();
        if (column_ + kSpanColumns < width_) from_ += kSpanColumns;
        column_ += kSpanColumns;
    }

  private:
    const __nv_bfloat16* from_;
    int step_, column_, width_, rows_, warp_, warps_, lane_;
};

/// Row tile `rowTile` of a product; beyond the last one it takes part without writing.
template <DType T, int kColumnTiles>
__device__ __forceinline__ void multiplyRowTile(const MatrixProduct& product, int rowTile,
                                                const __nv_bfloat16* x, int rows, __nv_bfloat16* memory) {
    using Tile = RowTile<T, kColumnTiles>;
    const PackedMatrix& w = product.w;
    const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    Tile tile(w, min(rowTile, w.rowTiles - 1), lane);
    letSuccessorStart();
    waitForPredecessor();
    ActivationCopies copies(x, w.columns, rows, warp, static_cast<int>(blockDim.x / 32), lane);
    const auto stage = [&](int span) { return memory + span % kStages * stageValues(kColumnTiles); };
#pragma unroll
    for (int span = 0; span < kStages - 1; ++span) copies.copyNext(stage(span));
    const auto enter = [&](int span) {
        waitForCopies<kStages - 2>();
        __syncthreads();  // all are through with the span before, whose place the next copies take
        copies.copyNext(stage(span + kStages - 1));
        return stage(span);
    };
    const int full = w.kTiles / kSpanTiles, left = w.kTiles % kSpanTiles;
    for (int span = 0; span < full; span += Tile::kHeld) {
        tile.template addFull<0>(span, enter(span));
        if constexpr (Tile::kHeld > 1)
            if (span + 1 < full) tile.template addFull<1>(span + 1, enter(span + 1));
    }
    if (left > 0) tile.addPart(left, enter(full));
    if (rowTile < w.rowTiles) tile.store(product, rowTile, rows);
}

/// Matrices of one type, or of two: K_M mixes keep V in more bits than Q and K. All have the same columns.
template <DType T, DType U, int kColumnTiles>
__global__ void __launch_bounds__(kMaxWarps * 32, kBlocks)
    fewRowsKernel(const __grid_constant__ ProductSet set, const __nv_bfloat16* x, int rows) {
    extern __shared__ __align__(512) __nv_bfloat16 memory[];
    const int tile = static_cast<int>(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32);
    const int which = set.productOf(min(tile, set.firstTile[kMaxProducts] - 1));
    const MatrixProduct& product = set.products[which];
    const int rowTile = tile - set.firstTile[which];
    if (T == U || product.w.type == T)
        multiplyRowTile<T, kColumnTiles>(product, rowTile, x, rows, memory);
    else
        multiplyRowTile<U, kColumnTiles>(product, rowTile, x, rows, memory);
}

/// Row tiles a block, so that all multiprocessors have as many, in as few rounds as warps allow.
int tilesPerBlock(int tiles) {
    const int each = ceilDiv(tiles, kBlocks * multiprocessors());
    return ceilDiv(each, ceilDiv(each, kMaxWarps));
}

template <DType T, DType U>
void launchSet(const ProductSet& set, const ActivationView& x, int firstRow, int rows, cudaStream_t stream) {
    forColumnTiles(rows, [&]<int kColumnTiles>() {
        static const cudaError_t raised =
            cudaFuncSetAttribute(fewRowsKernel<T, U, kColumnTiles>,
                                 cudaFuncAttributeMaxDynamicSharedMemorySize, sharedBytes(kColumnTiles));
        checkCuda(raised, "shared memory of a product");
        const int tiles = set.firstTile[kMaxProducts], warps = tilesPerBlock(tiles);
        launch("fewRowsKernel", fewRowsKernel<T, U, kColumnTiles>,
               dim3(static_cast<unsigned>(ceilDiv(tiles, warps))), warps * 32, sharedBytes(kColumnTiles),
               stream, set, x.values + static_cast<size_t>(firstRow) * x.width, rows);
    });
}

}  // namespace

bool multipliesFewRows() {
    static const bool can =
        deviceAttribute(cudaDevAttrComputeCapabilityMajor) >= 8 &&
        deviceAttribute(cudaDevAttrMaxSharedMemoryPerBlockOptin) >= sharedBytes(kFewRows / 8);
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
            set.place(count++, product, product.w.rowTiles);
        }
        products = products.subspan(static_cast<size_t>(count));
        if (areFewTiles(set))
            multiplyFewTiles(set, first, second, x, firstRow, rows, stream);
        else
            dispatchTypes(first, second,
                          [&]<DType T, DType U>() { launchSet<T, U>(set, x, firstRow, rows, stream); });
    }
}

}  // namespace kernels::detail
