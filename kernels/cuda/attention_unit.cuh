#pragma once

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/kv_row.cuh"
#include "kernels/cuda/mma.cuh"

/// Decode attention on half-precision tensor cores. A warp takes one *unit*: a fixed run of tokens of one KV
/// head, with up to eight of its query heads at once, 16 tokens at a time under a running softmax. K and V go
/// from the cache to the fragments without shared memory.
///
/// Rows 8..15 of the query's fragment and a second product with the weights carry what rounding to halves
/// takes away, so the result is as good as with floats. The unnormalised sums, maximum and total of each unit
/// go to the workspace [rows, numHeads, units, dim + 2]; mergeUnitsKernel adds them in a fixed order
/// (Flash-Decoding).
namespace kernels::detail {

/// Tokens of a unit, by the row's position alone, so that a row's sums do not depend on its company: small
/// units keep the card busy when there are few tokens, large ones keep the workspace small when there are
/// many.
__host__ __device__ constexpr int unitTokens(int position) {
    return position < 2048 ? 16 : position < 4096 ? 32 : position < 16384 ? 64 : 128;
}

/// Units of a row that sees at most `context` tokens.
__host__ __device__ constexpr int unitCapacity(int context) {
    if (context <= 2048) return (context + 15) / 16;
    if (context <= 8192) return 128;  // 2048 of 16 tokens, 4096 of 32, 8192 of 64
    if (context <= 16384) return (context + 63) / 64;
    return (context + 127) / 128 > 256 ? (context + 127) / 128 : 256;
}

/// The units of a row: [first, last], of `tokens` tokens each.
struct UnitRange {
    int tokens, firstVisible, first, last;
    __device__ UnitRange(int position, int window)
        : tokens(unitTokens(position)),
          firstVisible(window > 0 ? max(0, position + 1 - window) : 0),
          first(firstVisible / tokens),
          last(position / tokens) {}
};

__device__ inline uint32_t packHalves(float low, float high) {
    const __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t*>(&pair);
}

/// Two floats as halves, and as halves again what the first ones leave.
__device__ inline void splitHalves(float low, float high, uint32_t& top, uint32_t& rest) {
    const __half2 pair = __floats2half2_rn(low, high);
    const float2 back = __half22float2(pair);
    top = *reinterpret_cast<const uint32_t*>(&pair);
    rest = packHalves(low - back.x, high - back.y);
}

/// Lane l (g = l / 4, t = l % 4) of the warp keeps head g's maximum and total, and of the sums the values
/// 64 c + 8 g + 2 i + h of the heads 2 t + e at sums[4 c + i][2 h + e].
template <KvType T, int kDim>
class AttentionUnit {
  public:
    /// query[i][j] is value 32 i + 8 t + j of head g, scaled; zero beyond the heads.
    __device__ __forceinline__ explicit AttentionUnit(const float (&query)[kDim / 32][8]) {
#pragma unroll
        for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float* q = &query[i][4 * half];
                uint32_t(&to)[4] = query_[2 * i + half];
                splitHalves(q[0], q[1], to[0], to[1]);
                splitHalves(q[2], q[3], to[2], to[3]);
            }
    }

    /// The rows of 16 tokens in fragments.
    struct Rows {
        uint4 keys[2][kDim / 32];    ///< values 32 i + 8 t … of token 8 j + g at [j][i]
        uint4 values[kDim / 64][4];  ///< values 64 c + 8 g … of tokenOf(i, …) at [c][i]
    };

    /// The token of a lane's pieces of V: 2 t, 2 t + 1, 2 t + 8, 2 t + 9, but one of those seen, [from, to):
    /// what lies beyond may be no number, and zero times that is not zero.
    __device__ static __forceinline__ int tokenOf(int i, int from, int to) {
        return min(max(2 * (lane() % 4) + i / 2 * 8 + i % 2, from), to - 1);
    }

    /// 16 tokens whose rows begin at `keys` and `values`; tokens [from, to) of them are seen, at least one.
    __device__ static __forceinline__ void load(Rows& rows, const std::byte* keys, const std::byte* values,
                                                int from, int to) {
        constexpr size_t kRowBytes = kvRowBytes(T, kDim);
        const int g = lane() / 4, t = lane() % 4;
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
            for (int i = 0; i < kDim / 32; ++i)
                rows.keys[j][i] = loadKvHalves<T, kDim>(keys + (8 * j + g) * kRowBytes, 32 * i + 8 * t);
#pragma unroll
        for (int c = 0; c < kDim / 64; ++c)
#pragma unroll
            for (int i = 0; i < 4; ++i)
                rows.values[c][i] =
                    loadKvHalves<T, kDim>(values + tokenOf(i, from, to) * kRowBytes, 64 * c + 8 * g);
    }

    __device__ __forceinline__ void add(const Rows& rows, int from, int to, float softcap) {
        const int t = lane() % 4;
        float scores[2][4] = {};
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
            for (int i = 0; i < kDim / 32; ++i) {
                mmaF16(scores[j], query_[2 * i], rows.keys[j][i].x, rows.keys[j][i].y);
                mmaF16(scores[j], query_[2 * i + 1], rows.keys[j][i].z, rows.keys[j][i].w);
            }
        float weights[2][2];
        float top = -INFINITY;
#pragma unroll
        for (int j = 0; j < 2; ++j)
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                float score = scores[j][i] + scores[j][2 + i];
                if (softcap > 0.0F) score = softcap * tanhf(score / softcap);
                const int token = 8 * j + 2 * t + i;
                weights[j][i] = token >= from && token < to ? score : -INFINITY;
                top = fmaxf(top, weights[j][i]);
            }
        top = fmaxf(top, __shfl_xor_sync(0xffffffffU, top, 1));
        top = fmaxf(top, __shfl_xor_sync(0xffffffffU, top, 2));
        const float largest = fmaxf(largest_, top);
        const float keep = expf(largest_ - largest);
        largest_ = largest;
        float total = 0.0F;
        uint32_t high[2], low[2];
#pragma unroll
        for (int j = 0; j < 2; ++j) {
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                weights[j][i] = expf(weights[j][i] - largest);
                total += weights[j][i];
            }
            splitHalves(weights[j][0], weights[j][1], high[j], low[j]);
        }
        total += __shfl_xor_sync(0xffffffffU, total, 1);
        total += __shfl_xor_sync(0xffffffffU, total, 2);
        total_ = fmaf(total_, keep, total);
        const float keeps[2] = {__shfl_sync(0xffffffffU, keep, 8 * t),
                                __shfl_sync(0xffffffffU, keep, 8 * t + 4)};
#pragma unroll
        for (int c = 0; c < kDim / 64; ++c) {
            const uint32_t even[4] = {rows.values[c][0].x, rows.values[c][0].y, rows.values[c][0].z,
                                      rows.values[c][0].w},
                           odd[4] = {rows.values[c][1].x, rows.values[c][1].y, rows.values[c][1].z,
                                     rows.values[c][1].w},
                           evenLater[4] = {rows.values[c][2].x, rows.values[c][2].y, rows.values[c][2].z,
                                           rows.values[c][2].w},
                           oddLater[4] = {rows.values[c][3].x, rows.values[c][3].y, rows.values[c][3].z,
                                          rows.values[c][3].w};
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                float(&sums)[4] = sums_[4 * c + i];
#pragma unroll
                for (int k = 0; k < 4; ++k) sums[k] *= keeps[k % 2];
                const uint32_t a[4] = {__byte_perm(even[i], odd[i], 0x5410),
                                       __byte_perm(even[i], odd[i], 0x7632),
                                       __byte_perm(evenLater[i], oddLater[i], 0x5410),
                                       __byte_perm(evenLater[i], oddLater[i], 0x7632)};
                mmaF16(sums, a, high[0], high[1]);
                mmaF16(sums, a, low[0], low[1]);
            }
        }
    }

    /// `pieces`: the workspace of head 0 of the group at this unit; heads are `headStride` floats apart.
    __device__ __forceinline__ void store(float* pieces, size_t headStride, int heads) const {
        const int g = lane() / 4, t = lane() % 4;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
            if (2 * t + e >= heads) continue;
            float* to = pieces + static_cast<size_t>(2 * t + e) * headStride + 8 * g;
#pragma unroll
            for (int c = 0; c < kDim / 64; ++c)
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    *reinterpret_cast<float2*>(to + 64 * c + 2 * i) = {sums_[4 * c + i][e],
                                                                       sums_[4 * c + i][2 + e]};
        }
        if (t == 0 && g < heads)
            *reinterpret_cast<float2*>(pieces + static_cast<size_t>(g) * headStride + kDim) = {largest_,
                                                                                               total_};
    }

  private:
    __device__ static int lane() {
        return static_cast<int>(threadIdx.x % 32);
    }

    uint32_t query_[kDim / 16][4];
    float sums_[kDim / 16][4] = {};
    float largest_ = -INFINITY, total_ = 0.0F;
};

}  // namespace kernels::detail
