#pragma once

#include "kernels/cuda/decode_tile.cuh"
#include "kernels/cuda/launch.cuh"

/// The decode product for compute capability 9.0: resident blocks, one warp of each keeping a ring of spans
/// in shared memory filled by bulk copies while eight warps multiply. The ring is filled before the wait for
/// the previous kernel, so reading never stops between kernels.
namespace kernels::detail {

inline constexpr int kStreamThreads = (kDecodeWarps + 1) * 32;
inline constexpr int kRingBytes = 104 << 10;  // two blocks a multiprocessor

template <DType T>
inline constexpr int kStageBytes = kDecodeWarps* SpanLayout<T>::kFullBytes;
template <DType T>
inline constexpr int kStages = kRingBytes / kStageBytes<T>;

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
__device__ inline uint32_t sharedAddress(const void* pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ inline void waitBarrier(uint64_t* barrier, uint32_t parity) {
    asm volatile(
        "{\n .reg .pred done;\n again:\n mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n @!done "
        "bra again;\n}" ::"r"(sharedAddress(barrier)),
        "r"(parity)
        : "memory");
}

__device__ inline void arrive(uint64_t* barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(barrier)) : "memory");
}

__device__ inline void copyBulk(void* to, const void* from, int bytes, uint64_t* barrier) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(barrier)),
                 "r"(bytes)
                 : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
            sharedAddress(to)),
        "l"(from), "r"(bytes), "r"(sharedAddress(barrier))
        : "memory");
}
#endif

/// Launch: up to two blocks a multiprocessor; block b takes row tiles b, b + gridDim.x, … of the set.
template <DType T, int kColumnTiles, bool kSingle>
__global__ void __launch_bounds__(kStreamThreads, kSingle ? 2 : 1)
    streamKernel(const __grid_constant__ ProductSet set, ActivationView x, int rows) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) std::byte ring[];  // [kStages][kDecodeWarps] spans
    __shared__ float partial[2][kDecodeWarps * kColumnTiles * 128];
    __shared__ uint64_t full[kStages<T>], empty[kStages<T>];
    const int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    const int tiles = set.firstTile[kMaxProducts];
    if (threadIdx.x == 0) {
        for (int i = 0; i < kStages<T>; ++i) {
            asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(sharedAddress(&full[i])) : "memory");
            asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(&empty[i])),
                         "r"(kDecodeWarps)
                         : "memory");
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    letSuccessorStart();

    int stage = 0;
    uint32_t parity = 0;
    const auto advance = [&] {
        if (++stage == kStages<T>) stage = 0, parity ^= 1U;
    };
    if (warp == kDecodeWarps) {
        if (lane != 0) return;
        for (int tile = static_cast<int>(blockIdx.x); tile < tiles; tile += static_cast<int>(gridDim.x)) {
            const int which = set.productOf(tile);
            const PackedMatrix& w = set.products[which].w;
            const std::byte* from =
                w.data + static_cast<size_t>(tile - set.firstTile[which]) * w.rowTileBytes;
            for (int left = static_cast<int>(w.rowTileBytes); left > 0;
                 left -= kStageBytes<T>, from += kStageBytes<T>) {
                waitBarrier(&empty[stage], parity ^ 1U);
                copyBulk(ring + stage * kStageBytes<T>, from, min(left, kStageBytes<T>), &full[stage]);
                advance();
            }
        }
        return;
    }

    waitForPredecessor();
    int buffer = 0;
    for (int tile = static_cast<int>(blockIdx.x); tile < tiles;
         tile += static_cast<int>(gridDim.x), buffer ^= 1) {
        const int which = set.productOf(tile);
        const PackedMatrix& w = set.products[which].w;
        float sums[kColumnTiles][4] = {};
        for (int first = 0; first < w.spans; first += kDecodeWarps) {
            waitBarrier(&full[stage], parity);
            const int span = first + warp;
            if (span < w.spans) {
                const std::byte* data = ring + stage * kStageBytes<T> + warp * SpanLayout<T>::kFullBytes;
                const SpanLayout<T> layout{spanTiles(w, span)};
                const uint2 supers = loadSupers<T>(data, layout, lane);
#pragma unroll
                for (int i = 0; i < kSpanTiles; ++i)
                    if (i < layout.tiles)
                        addTile<T, kColumnTiles, kSingle>(sums, loadTile<T>(data, layout, i, lane), supers, x,
                                                          rows, span * kSpanTiles + i, lane);
            }
            __syncwarp();
            if (lane == 0) arrive(&empty[stage]);
            advance();
        }
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c)
#pragma unroll
            for (int i = 0; i < 4; ++i)
                partial[buffer][((warp * kColumnTiles + c) * 4 + i) * 32 + lane] = sums[c][i];
        asm volatile("bar.sync 1, %0;" ::"n"(kDecodeWarps * 32) : "memory");
        writeSums<kColumnTiles, kSingle>(partial[buffer], set.products[which], tile - set.firstTile[which],
                                         rows, static_cast<int>(threadIdx.x));
    }
#endif
}

}  // namespace kernels::detail
