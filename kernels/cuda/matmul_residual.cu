// Products that close a branch and go on to the next product's input: added to the residual, normed but for
// the root mean square, quantised. 64 columns of the result are one group of that input, to be quantised
// together: clusters gather a group's four row tiles in their first block.
#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/row_tile.cuh"

namespace kernels::detail {
namespace {

constexpr int kTilesPerGroup = 4;
constexpr int kGroupColumns = 16 * kTilesPerGroup;

/// Adds a group's sums to the residual, and quantises what the norm leaves but for its root mean square:
/// eight lanes a row, eight columns each. The lane's part of the residual is asked for when this is made.
class GroupEnd {
  public:
    __device__ __forceinline__ GroupEnd(const ResidualEnd& end, int group, int rows)
        : end_(end), group_(group), row_(static_cast<int>(threadIdx.x / 8)), there_(row_ < rows) {
        if (!there_) return;
        loadEight(residual(), column(), end_.out.width, values_);
        loadEight(end_.norm, column(), end_.out.width, norm_);
    }

    /// `gathered` [rows, 64] in shared memory. Whole warps call it.
    __device__ __forceinline__ void add(const float* gathered) {
        if (there_) {
#pragma unroll
            for (int i = 0; i < 8; ++i)
                values_[i] = __fadd_rn(values_[i], gathered[row_ * kGroupColumns + own() + i]);
            storeEight(residual(), column(), end_.out.width, values_);
        }
        const size_t index = static_cast<size_t>(row_) * end_.out.groups + group_;
        const float squares = groupSquares(values_);
        if (there_ && own() == 0) end_.out.squares[index] = squares;
#pragma unroll
        for (int i = 0; i < 8; ++i) values_[i] *= norm_[i];
        quantiseEights(end_.out.quants + index * kGroupColumns, end_.out.facts + index, values_, there_);
    }

  private:
    __device__ __forceinline__ float* residual() const {
        return end_.residual + static_cast<size_t>(row_) * end_.out.width;
    }
    __device__ __forceinline__ int own() const {
        return static_cast<int>(threadIdx.x % 8) * 8;
    }
    __device__ __forceinline__ int column() const {
        return group_ * kGroupColumns + own();
    }

    const ResidualEnd& end_;
    int group_, row_;
    bool there_;
    float values_[8] = {}, norm_[8] = {};
};

/// How many blocks of residualProductKernel have registers on a multiprocessor.
template <int kColumnTiles, int kTiles>
constexpr int kResidualBlocks = kTiles == 2        ? 1
                                : kColumnTiles > 0 ? 2
                                                   : 3;

/// x -> residual += w x, and that normed but for its root mean square. Launch: a cluster of a group's four
/// row tiles, kTiles of them in a block, eight warps each; the first block gathers the sums and quantises.
/// Few registers matter more to a single row than spans under way: what else finds room beside a block begins
/// earlier.
template <DType T, int kColumnTiles, int kTiles>
__global__ void __launch_bounds__(kTiles* kTileThreads, (kResidualBlocks<kColumnTiles, kTiles>))
    residualProductKernel(const __grid_constant__ MatrixProduct product, ActivationView x, int rows,
                          const __grid_constant__ ResidualEnd end) {
    constexpr int kColumns = columnsOf(kColumnTiles), kBlocks = kTilesPerGroup / kTiles;
    constexpr bool kUncounted = TypeFacts<T>::kGroup == 32 || kTiles == 2;
    __shared__ TileSums<kColumns> sums[kTiles];
    __shared__ float gathered[kColumns * kGroupColumns];
    const int thread = static_cast<int>(threadIdx.x);
    const int half = thread / kTileThreads, rowTile = kTiles * static_cast<int>(blockIdx.x) + half;
    clusterArrive();
    if (rowTile < product.w.rowTiles)
        multiplyRowTile<T, kColumnTiles, kColumnTiles == 1, kUncounted>(product, rowTile, x, rows,
                                                                        ownWarp() % kDecodeWarps, sums[half]);
    __syncthreads();
    clusterWait();
    float* to = inBlockOfCluster(gathered, 0) + rowTile % kTilesPerGroup * 16;
    for (int index = thread % kTileThreads; index < rows * 16; index += kTileThreads) {
        const int matrixRow = rowTile * 16 + index % 16, row = index / 16;
        to[row * kGroupColumns + index % 16] =
            matrixRow < product.w.rows
                ? sumSlices<kColumns>(sums[half].partial, sums[half].rowScales, product, row, matrixRow)
                : 0.0F;
    }
    clusterArrive();
    if (blockIdx.x % kBlocks != 0) return;
    GroupEnd groupEnd(end, rowTile / kTilesPerGroup, rows);
    clusterWait();
    if (ownWarp() * 4 < rows) groupEnd.add(gathered);
}

template <DType T>
void launchResidual(const MatrixProduct& product, const ActivationView& x, int rows, const ResidualEnd& end,
                    cudaStream_t stream) {
    forSixteens(rows, [&]<int kColumnTiles>(int first, int count) {
        const ResidualEnd from{end.out.from(first), end.residual + static_cast<size_t>(first) * end.out.width,
                               end.norm};
        const int groups = end.out.groups;
        const auto run = [&]<int kTiles>() {
            constexpr int kBlocks = kTilesPerGroup / kTiles;
            launchClusters("residualProductKernel", residualProductKernel<T, kColumnTiles, kTiles>, kBlocks,
                           dim3(static_cast<unsigned>(kBlocks * groups)), kTiles * kTileThreads, 0, stream,
                           product, x.from(first), count, from);
        };
        // Two row tiles a block are faster where all blocks are there at once, one a multiprocessor.
        if (2 * groups <= multiprocessors())
            run.template operator()<2>();
        else
            run.template operator()<1>();
    });
}

}  // namespace

bool endsProducts(DType type) {
    return !isPlain(type) && overlapsLaunches();
}

void matmulResidual(const MatrixProduct& product, const ActivationView& x, int rows, const ResidualEnd& end,
                    cudaStream_t stream) {
    dispatchQuantised(product.w.type, [&]<DType T>() { launchResidual<T>(product, x, rows, end, stream); });
}

}  // namespace kernels::detail
