#pragma once

#include <cmath>

#include "kernels/cuda/attention_unit.cuh"
#include "kernels/cuda/kv_row.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/shared_tile.cuh"

/// What attention of prompt rows is made of: tiles of K and V in shared memory as halves, whatever the
/// cache's type, and the rows that a lane holds of a warp's fragments.
///
/// Tiles begin at multiples of their size in the sequence, so a row's sums are the same for every chunking of
/// its prompt. A row lies in the upper or the lower half of a fragment, as the chunk has it, and the two
/// halves are different instructions: roundings are spelled out, since the compiler would fuse a product into
/// a sum in one half and not in the other.
namespace kernels::detail {

inline constexpr int kPromptThreads = 128;

__device__ inline float powerOfTwo(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// Eight floats times `scale` as halves.
__device__ inline uint4 scaledHalves(const float* from, float scale) {
    const float4 a = *reinterpret_cast<const float4*>(from), b = *reinterpret_cast<const float4*>(from + 4);
    return {packHalves(a.x * scale, a.y * scale), packHalves(a.z * scale, a.w * scale),
            packHalves(b.x * scale, b.y * scale), packHalves(b.z * scale, b.w * scale)};
}

/// The keys and values of one KV head of a sequence, kTokens at a time.
template <KvType T, int kDim, int kTokens>
class TokenTiles {
  public:
    __device__ TokenTiles(const KvLayer& layer, const int32_t* blocks, int kvHead, int lastPosition)
        : layer_(layer), blocks_(blocks), kvHead_(kvHead), last_(lastPosition) {
        const int tokens = layer.blockTokens;
        shift_ = (tokens & (tokens - 1)) == 0 ? __ffs(tokens) - 1 : -1;
    }

    /// kPromptThreads threads call it, `thread` counts from 0. Zeros for tokens after the last position,
    /// released blocks and dimensions beyond the model's. Caches of halves are copied while the block goes
    /// on.
    __device__ void load(__half* keys, __half* values, int tile, int thread) const {
        constexpr int kChunks = kDim / 8;
#pragma unroll 1
        for (int i = 0; i < kTokens * kChunks / kPromptThreads; ++i) {
            const int at = i * kPromptThreads + thread;
            const int within = at / kChunks, chunk = at % kChunks, token = tile + within;
            const int entry = shift_ >= 0 ? token >> shift_ : token / layer_.blockTokens;
            const int block = token <= last_ ? blocks_[entry] : -1;
            const auto row = static_cast<size_t>(token - entry * layer_.blockTokens);
            const HeadRows from = headRows(layer_, max(block, 0), kvHead_);
            const int to = swizzled<kDim>(within, chunk);
            copyRow(keys + to, from.keys + row * layer_.keyRowBytes(), layer_.keyDim, chunk * 8, block >= 0);
            copyRow(values + to, from.values + row * layer_.valueRowBytes(), layer_.valueDim, chunk * 8,
                    block >= 0);
        }
    }

  private:
    __device__ static void copyRow(__half* to, const std::byte* row, int dim, int first, bool there) {
        there = there && first < dim;
        if constexpr (T == KvType::F16) {
            copySixteen(to, there ? row + first * 2 : row, there);
        } else {
            uint4 eight{};
            if constexpr (T != KvType::F32)
                if (there && dim == kDim) {
                    *reinterpret_cast<uint4*>(to) = loadKvHalves<T, kDim>(row, first);
                    return;
                }
            if (there) {
                float x[8];
                loadKv8<T>(row, dim, first, x);
                eight = {packHalves(x[0], x[1]), packHalves(x[2], x[3]), packHalves(x[4], x[5]),
                         packHalves(x[6], x[7])};
            }
            *reinterpret_cast<uint4*>(to) = eight;
        }
    }

    const KvLayer& layer_;
    const int32_t* blocks_;
    int kvHead_, last_;
    int shift_;  ///< log2 of the tokens of a block; -1: no power of two
};

/// Joins the sums of two splits, the earlier first; neither is empty.
struct Joining {
    float largest, earlier, later;

    __device__ Joining(float before, float after) {
        largest = fmaxf(before, after);
        earlier = powerOfTwo(__fsub_rn(before, largest));
        later = powerOfTwo(__fsub_rn(after, largest));
    }
    __device__ float sum(float before, float after) const {
        return __fadd_rn(__fmul_rn(before, earlier), __fmul_rn(after, later));
    }
};

/// What a lane holds of 16 kM rows: of fragment m, rows g = lane / 4 and g + 8, and of each the dimensions
/// 8 n + 2 t and the next, t = lane % 4.
template <int kDim, int kTokens, int kM>
struct LaneRows {
    static constexpr int kFloats = kM * (kDim / 2 + 4);  ///< that a lane saves

    int positions[kM][2];  ///< -1: no row
    float sums[kM][kDim / 8][4];
    float largest[kM][2];  ///< score, times log2(e)
    float totals[kM][2];   ///< of weights; of the lane's own tokens until total()

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int m = 0; m < kM; ++m) {
#pragma unroll
            for (int n = 0; n < kDim / 8; ++n)
#pragma unroll
                for (int i = 0; i < 4; ++i) sums[m][n][i] = 0.0F;
#pragma unroll
            for (int r = 0; r < 2; ++r) largest[m][r] = -INFINITY, totals[m][r] = 0.0F;
        }
    }

    /// Tokens [tile, tile + kTokens). `queries`: the warp's first row. `isPartlySeen`: some row does not see
    /// some of them. The whole warp calls it.
    __device__ __forceinline__ void add(const __half* queries, const __half* keys, const __half* values,
                                        int tile, bool isPartlySeen, int window, float softcap, int lane) {
        float scores[kM][kTokens / 8][4] = {};
        multiplyKeys(scores, queries, keys, lane);
        if (softcap > 0.0F)
            forEach(scores,
                    [&](int, int, int, float& score) { score = __fmul_rn(softcap, tanhf(score / softcap)); });
        if (isPartlySeen)
            forEach(scores, [&](int m, int n, int i, float& score) {
                const int token = tile + n * 8 + 2 * (lane % 4) + i % 2, position = positions[m][i / 2];
                if (token > position || (window > 0 && position - token >= window)) score = -INFINITY;
            });
        weigh(scores);
        multiplyValues(scores, values, lane);
    }

    /// Joins the totals of the lanes that share a row.
    __device__ __forceinline__ void total() {
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int r = 0; r < 2; ++r)
                for (int mask = 2; mask > 0; mask >>= 1)
                    totals[m][r] = __fadd_rn(totals[m][r], __shfl_xor_sync(0xffffffffU, totals[m][r], mask));
    }

    /// To and from `state` [kFloats, kPromptThreads], the block's.
    __device__ __forceinline__ void save(float* state) const {
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                *saved(state, m, r, 0) = largest[m][r];
                *saved(state, m, r, 1) = totals[m][r];
#pragma unroll
                for (int n = 0; n < kDim / 8; ++n)
#pragma unroll
                    for (int i = 0; i < 2; ++i) *saved(state, m, r, 2 + 2 * n + i) = sums[m][n][2 * r + i];
            }
    }

    /// Joins what was saved of the splits before.
    __device__ __forceinline__ void join(float* state) {
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                const float before = *saved(state, m, r, 0);
                if (before == -INFINITY) continue;
                const bool isEmpty = largest[m][r] == -INFINITY;
                const Joining joining(before, isEmpty ? before : largest[m][r]);
                const auto joined = [&](float own, float earlier) {
                    return isEmpty ? earlier : joining.sum(earlier, own);
                };
                largest[m][r] = joining.largest;
                totals[m][r] = joined(totals[m][r], *saved(state, m, r, 1));
#pragma unroll
                for (int n = 0; n < kDim / 8; ++n)
#pragma unroll
                    for (int i = 0; i < 2; ++i)
                        sums[m][n][2 * r + i] =
                            joined(sums[m][n][2 * r + i], *saved(state, m, r, 2 + 2 * n + i));
            }
    }

  private:
    using Scores = float (&)[kM][kTokens / 8][4];

    template <class F>
    __device__ __forceinline__ static void forEach(Scores scores, F&& f) {
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int n = 0; n < kTokens / 8; ++n)
#pragma unroll
                for (int i = 0; i < 4; ++i) f(m, n, i, scores[m][n][i]);
    }

    __device__ __forceinline__ static float* saved(float* state, int m, int r, int which) {
        return state + static_cast<size_t>((m * 2 + r) * (kDim / 4 + 2) + which) * kPromptThreads +
               threadIdx.x;
    }

    __device__ __forceinline__ static void multiplyKeys(Scores scores, const __half* queries,
                                                        const __half* keys, int lane) {
        const FragmentAddress<kDim> query(queries, lane % 16, lane / 16),
            key(keys, lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
        for (int k = 0; k < kDim / 8; k += 2) {
            uint32_t a[kM][4];
#pragma unroll
            for (int m = 0; m < kM; ++m) loadMatrices(a[m], query.at(m * 16, k));
#pragma unroll
            for (int n = 0; n < kTokens / 8; n += 2) {
                uint32_t b[4];
                loadMatrices(b, key.at(n * 8, k));
#pragma unroll
                for (int m = 0; m < kM; ++m) {
                    mmaF16(scores[m][n], a[m], b[0], b[1]);
                    mmaF16(scores[m][n + 1], a[m], b[2], b[3]);
                }
            }
        }
    }

    /// Scores to weights, their totals, and the sums so far to the new largest score.
    __device__ __forceinline__ void weigh(Scores scores) {
        constexpr float kLog2E = 1.4426950408889634F;
        float keep[kM][2];
        bool changes = false;
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                float next = -INFINITY;
#pragma unroll
                for (int n = 0; n < kTokens / 8; ++n)
                    next = fmaxf(next, fmaxf(scores[m][n][2 * r], scores[m][n][2 * r + 1]));
                for (int mask = 2; mask > 0; mask >>= 1)
                    next = fmaxf(next, __shfl_xor_sync(0xffffffffU, next, mask));
                next = fmaxf(largest[m][r], __fmul_rn(next, kLog2E));
                // Nothing seen yet: keep the power away from inf - inf.
                const float base = next == -INFINITY ? 0.0F : next;
                keep[m][r] = powerOfTwo(__fsub_rn(largest[m][r], base));
                changes = changes || keep[m][r] != 1.0F;
                largest[m][r] = next;
                totals[m][r] = __fmul_rn(totals[m][r], keep[m][r]);
#pragma unroll
                for (int n = 0; n < kTokens / 8; ++n)
#pragma unroll
                    for (int i = 2 * r; i < 2 * r + 2; ++i) {
                        scores[m][n][i] = powerOfTwo(__fmaf_rn(scores[m][n][i], kLog2E, -base));
                        totals[m][r] = __fadd_rn(totals[m][r], scores[m][n][i]);
                    }
            }
        if (__any_sync(0xffffffffU, changes)) {
#pragma unroll
            for (int m = 0; m < kM; ++m)
#pragma unroll
                for (int n = 0; n < kDim / 8; ++n)
#pragma unroll
                    for (int i = 0; i < 4; ++i) sums[m][n][i] = __fmul_rn(sums[m][n][i], keep[m][i / 2]);
        }
    }

    __device__ __forceinline__ void multiplyValues(Scores weights, const __half* values, int lane) {
        const FragmentAddress<kDim> value(values, lane % 16, lane / 16);
#pragma unroll
        for (int k = 0; k < kTokens / 8; k += 2) {
            uint32_t a[kM][4];
#pragma unroll
            for (int m = 0; m < kM; ++m)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    a[m][i] =
                        packHalves(weights[m][k + i / 2][i % 2 * 2], weights[m][k + i / 2][i % 2 * 2 + 1]);
#pragma unroll
            for (int n = 0; n < kDim / 8; n += 2) {
                uint32_t b[4];
                loadMatricesTransposed(b, value.at(k * 8, n));
#pragma unroll
                for (int m = 0; m < kM; ++m) {
                    mmaF16(sums[m][n], a[m], b[0], b[1]);
                    mmaF16(sums[m][n + 1], a[m], b[2], b[3]);
                }
            }
        }
    }
};

}  // namespace kernels::detail
