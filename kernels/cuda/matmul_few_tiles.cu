// A prompt's few rows by a matrix of few row tiles: one warp a row tile, as in matmul_few_rows.cu, would
// leave most of a multiprocessor idle, as unpacking is a long chain of instructions.
//
// Launch: a block a multiprocessor, with one to four row tiles. Its warps have three trades, which meet in a
// ring of spans (256 columns) in shared memory: for each row tile four unpack a tile of 64 columns each into
// operands of the tensor cores, two multiply half of the activation rows each, and four warps of the block
// copy the activations. A sum is one chain over all columns, as the prefill product's are: the latency of 16
// products is what a span takes at least.
#include <algorithm>

#include "kernels/cuda/few_tiles.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/packed_tile.cuh"
#include "kernels/cuda/ring_barrier.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kMostTiles = 4;                                 ///< of a block
constexpr int kUnpackWarps = kSpanTiles, kMultiplyWarps = 2;  ///< of a row tile
constexpr int kCopyWarps = 4;                                 ///< of a block, a span each
constexpr int kSteps = kSpanColumns / 16;                     ///< products of a span, one after the other
constexpr int kHeld = 3;                                      ///< spans that an unpacking warp has asked for
constexpr int kMostStages = 4;

/// Warps for every second span each, where there is room for them.
constexpr int setsOf(int tiles) {
    return tiles <= 2 ? 2 : 1;
}
constexpr int warpsOf(int tiles) {
    return tiles * (setsOf(tiles) * kUnpackWarps + kMultiplyWarps) + kCopyWarps;
}
constexpr int kMostWarps = std::max({warpsOf(1), warpsOf(2), warpsOf(3), warpsOf(4)});
static_assert(kMostTiles == 4);

/// A lane's operands of a row tile's span.
using Operands = uint4[kSteps][32];

/// The ring as all warps see it: places of {activations [8 kColumnTiles, kSpanColumns] as FragmentAddress
/// finds them, operands of each row tile}, then barriers.
template <int kColumnTiles>
class Ring {
  public:
    static constexpr int kActivationBytes =
        8 * kColumnTiles * kSpanColumns * static_cast<int>(sizeof(__nv_bfloat16));

    static constexpr int placeBytes(int tiles) {
        return kActivationBytes + tiles * static_cast<int>(sizeof(Operands));
    }
    static constexpr int bytes(int tiles, int stages) {
        return stages * (placeBytes(tiles) + 2 * static_cast<int>(sizeof(RingBarrier)));
    }

    __device__ __forceinline__ Ring(std::byte* memory, int tiles, int stages)
        : place_(memory), first_(memory), placeBytes_(placeBytes(tiles)), stages_(stages) {}

    /// By one thread, before a barrier of the block.
    __device__ __forceinline__ void init(int tiles) {
        for (int i = 0; i < stages_; ++i) {
            full(i).init(tiles * kUnpackWarps + 1);
            empty(i).init(tiles * kMultiplyWarps);
        }
    }
    __device__ __forceinline__ void advance() {
        place_ += placeBytes_;
        if (++stage_ == stages_) stage_ = 0, place_ = first_, turn_ ^= 1;
    }
    __device__ __forceinline__ void waitUntilEmpty() { empty(stage_).wait(turn_ ^ 1); }
    __device__ __forceinline__ void waitUntilFull() { full(stage_).wait(turn_); }
    __device__ __forceinline__ RingBarrier& full() { return full(stage_); }
    __device__ __forceinline__ RingBarrier& empty() { return empty(stage_); }
    __device__ __forceinline__ __nv_bfloat16* activations() const {
        return reinterpret_cast<__nv_bfloat16*>(place_);
    }
    __device__ __forceinline__ Operands& operands(int tile) const {
        return reinterpret_cast<Operands*>(place_ + kActivationBytes)[tile];
    }

  private:
    __device__ __forceinline__ RingBarrier& full(int stage) const {
        return reinterpret_cast<RingBarrier*>(first_ + stages_ * placeBytes_)[stage];
    }
    __device__ __forceinline__ RingBarrier& empty(int stage) const { return (&full(stages_))[stage]; }

    std::byte *place_, *first_;
    int placeBytes_, stages_, stage_ = 0;
    uint32_t turn_ = 0;  ///< parity of how often the ring was gone through
};

/// A warp's tile of a span, as loaded.
template <DType T>
struct HeldTile {
    LaneTile<T> tile;
    uint2 supers;

    __device__ __forceinline__ void load(const std::byte* span, SpanLayout<T> layout, int which, int lane) {
        tile = loadTile<T>(span, layout, which, lane);
        supers = loadSupers<T>(span, layout, lane);
    }

    /// To the operands of four steps.
    __device__ __forceinline__ void unpack(uint4 (*steps)[32], int lane) const {
        uint32_t quants[8];
        unpackTile<T>(tile, quants);
        const LaneScale<T> scale(tile, supers);
#pragma unroll
        for (int quarter = 0; quarter < 4; ++quarter)
            steps[quarter][lane] = unpackStep<T>(scale, quants, quarter);
    }
};

/// Tile `which` of every `sets`-th span of a row tile, from span `set` on.
template <DType T, int kColumnTiles>
__device__ __forceinline__ void unpackSpans(Ring<kColumnTiles> ring, const PackedMatrix& w, int rowTile,
                                            int tile, int which, int set, int sets, int lane) {
    constexpr SpanLayout<T> kLayout{kSpanTiles};
    const std::byte* data = spanData<T>(w, min(rowTile, w.rowTiles - 1), 0);
    const int full = w.kTiles / kSpanTiles, left = w.kTiles % kSpanTiles;
    HeldTile<T> held[kHeld];
    // Beyond the last full span that one again.
    const auto load = [&](HeldTile<T>& to, int span) {
        to.load(data + min(span, full - 1) * kLayout.kFullBytes, kLayout, which, lane);
    };
    const auto handOver = [&](const HeldTile<T>& from, bool isThere) {
        ring.waitUntilEmpty();
        if (isThere) from.unpack(&ring.operands(tile)[which * 4], lane);
        __syncwarp();
        if (lane == 0) ring.full().arrive();
        for (int i = 0; i < sets; ++i) ring.advance();
    };
    if (full > 0) {
#pragma unroll
        for (int i = 0; i < kHeld; ++i) load(held[i], set + i * sets);
    }
    letSuccessorStart();
    for (int i = 0; i < set; ++i) ring.advance();
    for (int first = set; first < full; first += kHeld * sets) {
#pragma unroll
        for (int i = 0; i < kHeld; ++i) {
            const int span = first + i * sets;
            if (span >= full) break;
            handOver(held[i], true);
            load(held[i], span + kHeld * sets);
        }
    }
    if (left > 0 && full % sets == set) {
        if (which < left) held[0].load(data + full * kLayout.kFullBytes, SpanLayout<T>{left}, which, lane);
        handOver(held[0], which < left);
    }
}

/// The rows of every span that is this warp's turn, one of `warps`; zeros beyond the columns. A lane copies
/// eight columns. The warp waits for its copies: the others' spans are under way meanwhile. There may be at
/// most as many warps as places: a barrier tells the phase that is over only from the one before it.
template <int kColumnTiles>
__device__ __forceinline__ void copyActivations(Ring<kColumnTiles> ring, const __nv_bfloat16* x, int width,
                                                int rows, int spans, int warp, int warps, int lane) {
    waitForPredecessor();
    for (int i = 0; i < warp; ++i) ring.advance();
    for (int span = warp; span < spans; span += warps) {
        const int column = span * kSpanColumns + lane * 8;
        const bool there = column < width;
        const __nv_bfloat16* from = there ? x + column : x;
        const int step = there ? width : 0;
        ring.waitUntilEmpty();
        __nv_bfloat16* to = ring.activations();
#pragma unroll 4
        for (int row = 0; row < rows; ++row, from += step)
            copySixteen(to + swizzled<kSpanColumns>(row, lane), from, there);
        commitCopies();
        waitForCopies<0>();
        __syncwarp();
        if (lane == 0) ring.full().arrive();
        for (int i = 0; i < warps; ++i) ring.advance();
    }
}

/// kTiles tiles of a span by kOwnTiles tiles of activation rows.
template <int kTiles, int kOwnTiles>
__device__ __forceinline__ void multiplySpan(float (&sums)[kOwnTiles][4], const Operands& operands,
                                             const FragmentAddress<kSpanColumns>& row, int lane) {
#pragma unroll
    for (int pair = 0; pair < 2 * kTiles; ++pair) {
        uint32_t rows[kOwnTiles][4];  // of two steps
#pragma unroll
        for (int n = 0; n < kOwnTiles; ++n) loadMatrices(rows[n], row.at(n * 8, pair * 4));
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const uint4 weights = operands[2 * pair + half][lane];
#pragma unroll
            for (int n = 0; n < kOwnTiles; ++n)
                mmaBf16(sums[n], weights, rows[n][2 * half], rows[n][2 * half + 1]);
        }
    }
}

/// Row tile `rowTile` by activation rows firstRow to firstRow + 8 kOwnTiles.
template <int kOwnTiles, int kColumnTiles>
__device__ __forceinline__ void multiplySpans(Ring<kColumnTiles> ring, const MatrixProduct& product,
                                              int rowTile, int tile, int firstRow, int rows, int lane) {
    const PackedMatrix& w = product.w;
    float sums[kOwnTiles][4] = {};
    for (int span = 0; span < w.spans; ++span) {
        ring.waitUntilFull();
        const FragmentAddress<kSpanColumns> row(ring.activations(), firstRow + lane % 8, lane / 8);
        const Operands& operands = ring.operands(tile);
        switch (spanTiles(w, span)) {
            case 4:
                multiplySpan<4>(sums, operands, row, lane);
                break;
            case 3:
                multiplySpan<3>(sums, operands, row, lane);
                break;
            case 2:
                multiplySpan<2>(sums, operands, row, lane);
                break;
            default:
                multiplySpan<1>(sums, operands, row, lane);
        }
        __syncwarp();
        if (lane == 0) ring.empty().arrive();
        ring.advance();
    }
    waitForPredecessor();
    storeSums(product, rowTile, firstRow, rows, sums, lane);
}

/// Matrices of one type, or of two: K_M mixes keep V in more bits than Q and K. All have the same columns.
template <DType T, DType U, int kColumnTiles>
__global__ void __launch_bounds__(kMostWarps * 32, 1)
    fewTilesKernel(const __grid_constant__ ProductSet set, const __nv_bfloat16* x, int rows, int tiles,
                   int stages) {
    constexpr int kHalf = kColumnTiles / kMultiplyWarps;
    static_assert(kHalf * kMultiplyWarps == kColumnTiles && kMultiplyWarps == 2);
    extern __shared__ __align__(512) std::byte memory[];
    Ring<kColumnTiles> ring(memory, tiles, stages);
    const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    if (threadIdx.x == 0) ring.init(tiles);
    __syncthreads();
    // Warps that multiply come first, so that they are on multiprocessors' quarters in turn.
    const int unpacking = warp - tiles * kMultiplyWarps;
    const int sets = setsOf(tiles), copying = unpacking - sets * tiles * kUnpackWarps;
    const PackedMatrix& any = set.products[0].w;
    if (copying >= 0) {
        const int warps = min(kCopyWarps, stages);
        if (copying < warps) copyActivations(ring, x, any.columns, rows, any.spans, copying, warps, lane);
        return;
    }
    const int tile = unpacking < 0 ? warp / kMultiplyWarps : unpacking / kUnpackWarps % tiles;
    const int index = static_cast<int>(blockIdx.x) * tiles + tile;
    const int which = set.productOf(min(index, set.firstTile[kMaxProducts] - 1));
    const int rowTile = index - set.firstTile[which];
    const MatrixProduct& product = set.products[which];
    if (unpacking >= 0) {
        const int quarter = unpacking % kUnpackWarps, ownSet = unpacking / (kUnpackWarps * tiles);
        if (T == U || product.w.type == T)
            unpackSpans<T>(ring, product.w, rowTile, tile, quarter, ownSet, sets, lane);
        else
            unpackSpans<U>(ring, product.w, rowTile, tile, quarter, ownSet, sets, lane);
    } else if (warp % kMultiplyWarps == 0) {
        multiplySpans<kHalf>(ring, product, rowTile, tile, 0, rows, lane);
    } else {
        multiplySpans<kHalf>(ring, product, rowTile, tile, kHalf * 8, rows, lane);
    }
}

int sharedRoom() {
    static const int bytes = deviceAttribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    return bytes;
}

template <DType T, DType U>
void launchSet(const ProductSet& set, const __nv_bfloat16* x, int rows, cudaStream_t stream) {
    forColumnTiles(rows, [&]<int kColumnTiles>() {
        static const cudaError_t raised = cudaFuncSetAttribute(
            fewTilesKernel<T, U, kColumnTiles>, cudaFuncAttributeMaxDynamicSharedMemorySize, sharedRoom());
        checkCuda(raised, "shared memory of a product");
        const int all = set.firstTile[kMaxProducts], tiles = ceilDiv(all, multiprocessors());
        const int stages = std::min(kMostStages, sharedRoom() / Ring<kColumnTiles>::bytes(tiles, 1));
        launch("fewTilesKernel", fewTilesKernel<T, U, kColumnTiles>,
               dim3(static_cast<unsigned>(ceilDiv(all, tiles))), warpsOf(tiles) * 32,
               Ring<kColumnTiles>::bytes(tiles, stages), stream, set, x, rows, tiles, stages);
    });
}

}  // namespace

bool areFewTiles(const ProductSet& set) {
    static const int most = [] {
        // Two places of the ring, at least, beside 64 activation rows.
        int tiles = kMostTiles;
        while (tiles > 0 && Ring<kFewRows / 8>::bytes(tiles, 2) > sharedRoom()) --tiles;
        return tiles * multiprocessors();
    }();
    return set.firstTile[kMaxProducts] <= most;
}

void multiplyFewTiles(const ProductSet& set, DType first, DType second, const ActivationView& x, int firstRow,
                      int rows, cudaStream_t stream) {
    const __nv_bfloat16* values = x.values + static_cast<size_t>(firstRow) * x.width;
    dispatchTypes(first, second, [&]<DType T, DType U>() { launchSet<T, U>(set, values, rows, stream); });
}

}  // namespace kernels::detail
