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
/// go to the workspace [rows, numHeads, units, dim + 2]; mergeUnits adds them in a fixed order
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

    /// 16 tokens whose rows begin at `keys` and `values`; tokens [from, to) of them are seen, at least one.
    __device__ __forceinline__ void add(const std::byte* keys, const std::byte* values, int from, int to,
                                        float softcap) {
        constexpr size_t kRowBytes = kvRowBytes(T, kDim);
        const int g = lane() / 4, t = lane() % 4;
        float scores[2][4] = {};
        {
            uint4 words[2][kDim / 32];
#pragma unroll
            for (int j = 0; j < 2; ++j)
#pragma unroll
                for (int i = 0; i < kDim / 32; ++i)
                    words[j][i] = loadKvHalves<T, kDim>(keys + (8 * j + g) * kRowBytes, 32 * i + 8 * t);
#pragma unroll
            for (int j = 0; j < 2; ++j)
#pragma unroll
                for (int i = 0; i < kDim / 32; ++i) {
                    mmaF16(scores[j], query_[2 * i], words[j][i].x, words[j][i].y);
                    mmaF16(scores[j], query_[2 * i + 1], words[j][i].z, words[j][i].w);
                }
        }
        uint4 pieces[kDim / 64][4];  // of tokens 2t, 2t + 1, 2t + 8, 2t + 9
#pragma unroll
        for (int c = 0; c < kDim / 64; ++c)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                // What lies beyond the seen tokens may be no number, and zero times that is not zero.
                const int token = min(max(2 * t + i / 2 * 8 + i % 2, from), to - 1);
                pieces[c][i] = loadKvHalves<T, kDim>(values + token * kRowBytes, 64 * c + 8 * g);
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
            const uint32_t even[4] = {pieces[c][0].x, pieces[c][0].y, pieces[c][0].z, pieces[c][0].w},
                           odd[4] = {pieces[c][1].x, pieces[c][1].y, pieces[c][1].z, pieces[c][1].w},
                           evenLater[4] = {pieces[c][2].x, pieces[c][2].y, pieces[c][2].z, pieces[c][2].w},
                           oddLater[4] = {pieces[c][3].x, pieces[c][3].y, pieces[c][3].z, pieces[c][3].w};
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

/// The whole unit. `blocks`: the sequence's blocks.
template <KvType T, int kDim>
__device__ __forceinline__ void addUnit(AttentionUnit<T, kDim>& unit, const KvLayer& layer,
                                        const int32_t* blocks, int kvHead, const UnitRange& range, int index,
                                        int position, float softcap) {
    const int begin = index * range.tokens, end = min(begin + range.tokens, position + 1);
    // At most eight blocks of 16 tokens: ask for all their numbers at once.
    const int lane = static_cast<int>(threadIdx.x % 32);
    const int own = begin + lane * 16;
    const int number = own + 16 > range.firstVisible && own < end ? blocks[own / layer.blockTokens] : 0;
    for (int first = begin; first < end; first += 16) {
        const int block = __shfl_sync(0xffffffffU, number, (first - begin) / 16);
        if (first + 16 <= range.firstVisible) continue;
        const HeadRows rows = headRows(layer, block, kvHead);
        const int within = first % layer.blockTokens;
        unit.add(rows.keys + within * layer.keyRowBytes(), rows.values + within * layer.valueRowBytes(),
                 max(0, range.firstVisible - first), min(16, end - first), softcap);
    }
}

/// Whether the tensor-core units take this layer.
inline bool attendsInUnits(const KvLayer& layer) {
    return layer.type != KvType::F32 && (layer.keyDim == 64 || layer.keyDim == 128) &&
           layer.valueDim == layer.keyDim && layer.blockTokens % 16 == 0;
}

}  // namespace kernels::detail
