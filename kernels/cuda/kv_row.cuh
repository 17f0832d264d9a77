#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/cuda/cuda_common.cuh"
#include "kernels/ops.h"

/// Reading and writing rows of K and V of the cache: quants first, then one half scale for each 32 of them.
namespace kernels::detail {

/// Values [first, first + 8) of a row of `dim` values; `first` is a multiple of 8.
template <KvType T>
__device__ inline void loadKv8(const std::byte* row, int dim, int first, float (&out)[8]) {
    if constexpr (T == KvType::F32) {
        const float4 a = *reinterpret_cast<const float4*>(row + first * 4),
                     b = *reinterpret_cast<const float4*>(row + first * 4 + 16);
        out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w, out[4] = b.x, out[5] = b.y, out[6] = b.z,
        out[7] = b.w;
    } else if constexpr (T == KvType::F16) {
        const uint4 words = *reinterpret_cast<const uint4*>(row + first * 2);
        const uint32_t w[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&w[i]));
            out[2 * i] = pair.x, out[2 * i + 1] = pair.y;
        }
    } else if constexpr (T == KvType::Q8_0) {
        const float scale = __half2float(reinterpret_cast<const __half*>(row + dim)[first / 32]);
        // Rows of 34 bytes a group keep 2-byte alignment only.
        const auto* quants = reinterpret_cast<const uint16_t*>(row + first);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const uint32_t pair = quants[i];
            out[2 * i] = scale * static_cast<float>(static_cast<int8_t>(pair));
            out[2 * i + 1] = scale * static_cast<float>(static_cast<int8_t>(pair >> 8));
        }
    } else {
        const float scale = __half2float(reinterpret_cast<const __half*>(row + dim / 2)[first / 32]);
        const auto* quants = reinterpret_cast<const uint16_t*>(row + first / 32 * 16 + first % 16);
        const int shift = first % 32 / 16 * 4;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const uint32_t pair = static_cast<uint32_t>(quants[i]) >> shift;
            out[2 * i] = scale * (static_cast<float>(pair & 15U) - 8.0F);
            out[2 * i + 1] = scale * (static_cast<float>(pair >> 8 & 15U) - 8.0F);
        }
    }
}

/// Values [first, first + 8) of a row of kDim values as pairs of halves, for tensor cores: exact but for the
/// product of a quant and its scale, which is rounded to a half. `first` is a multiple of 8.
template <KvType T, int kDim>
__device__ inline uint4 loadKvHalves(const std::byte* row, int first) {
    static_assert(T != KvType::F32);
    if constexpr (T == KvType::F16) {
        return *reinterpret_cast<const uint4*>(row + first * 2);
    } else {
        // A quant q becomes the half 1024 + (q + offset) by its bits alone, then the offset leaves again.
        constexpr bool kBytes = T == KvType::Q8_0;
        const std::byte* quants = row + (kBytes ? first : first / 32 * 16 + first % 16);
        uint32_t words[2];
        if constexpr (kDim % 128 == 0) {  // rows of a multiple of 8 bytes
            const uint2 both = *reinterpret_cast<const uint2*>(quants);
            words[0] = both.x, words[1] = both.y;
        } else {
            words[0] = reinterpret_cast<const uint32_t*>(quants)[0];
            words[1] = reinterpret_cast<const uint32_t*>(quants)[1];
        }
        const __half scale = reinterpret_cast<const __half*>(row + (kBytes ? kDim : kDim / 2))[first / 32];
        const __half2 scales = __half2half2(scale);
        const __half2 offset = __half2half2(__ushort_as_half(kBytes ? 0x6480 : 0x6408));  // 1024 + 128 or 8
        uint32_t pairs[4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const uint32_t word =
                kBytes ? words[i] ^ 0x80808080U : words[i] >> (first % 32 / 16 * 4) & 0x0F0F0F0FU;
#pragma unroll
            for (int j = 0; j < 2; ++j) {
                const uint32_t biased = __byte_perm(word, 0x64646464U, j == 0 ? 0x4140 : 0x4342);
                const __half2 value =
                    __hmul2(__hsub2(*reinterpret_cast<const __half2*>(&biased), offset), scales);
                pairs[2 * i + j] = *reinterpret_cast<const uint32_t*>(&value);
            }
        }
        return {pairs[0], pairs[1], pairs[2], pairs[3]};
    }
}

/// Writes a row of `dim` values of K or V as the cache keeps it: quants first, then their scales. value(k)
/// gives value k; the whole warp calls it.
template <class Value>
__device__ inline void storeKvRow(std::byte* to, KvType type, int dim, Value&& value) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    for (int k = lane; k < dim; k += 32) {
        const float x = value(k);
        if (type == KvType::F32) {
            reinterpret_cast<float*>(to)[k] = x;
        } else if (type == KvType::F16) {
            reinterpret_cast<__half*>(to)[k] = __float2half(x);
        } else if (type == KvType::Q8_0) {
            const float largest = warpMax(fabsf(x));
            const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
            reinterpret_cast<int8_t*>(to)[k] = static_cast<int8_t>(__float2int_rn(x * inverse));
            if (lane == 0) reinterpret_cast<__half*>(to + dim)[k / 32] = __float2half(largest / 127.0F);
        } else {
            // The value of largest magnitude becomes -8, so that all sixteen levels are used.
            const float largest = warpMax(fabsf(x));
            const unsigned holders = __ballot_sync(0xffffffffU, fabsf(x) == largest);
            const float extreme = __shfl_sync(0xffffffffU, x, __ffs(static_cast<int>(holders)) - 1);
            const float scale = extreme / -8.0F;
            const float inverse = scale != 0.0F ? 1.0F / scale : 0.0F;
            const int quant = min(15, static_cast<int>(x * inverse + 8.5F));
            const int partner = __shfl_xor_sync(0xffffffffU, quant, 16);
            if (lane < 16)
                reinterpret_cast<uint8_t*>(to)[k / 32 * 16 + lane] =
                    static_cast<uint8_t>(quant | partner << 4);
            if (lane == 0) reinterpret_cast<__half*>(to + dim / 2)[k / 32] = __float2half(scale);
        }
    }
}

/// Where the rows of one head of one block begin.
struct HeadRows {
    const std::byte* keys;
    const std::byte* values;
};

__device__ inline HeadRows headRows(const KvLayer& layer, int block, int head) {
    const std::byte* base = layer.base + static_cast<size_t>(block) * layer.blockBytes();
    const size_t keyBytes = layer.keyRowBytes(), valueBytes = layer.valueRowBytes();
    const size_t tokens = static_cast<size_t>(layer.blockTokens);
    return {base + static_cast<size_t>(head) * tokens * keyBytes,
            base + static_cast<size_t>(layer.numKvHeads) * tokens * keyBytes +
                static_cast<size_t>(head) * tokens * valueBytes};
}

template <class F>
void dispatchKv(KvType type, F&& f) {
    switch (type) {
        case KvType::F32:
            return f.template operator()<KvType::F32>();
        case KvType::F16:
            return f.template operator()<KvType::F16>();
        case KvType::Q8_0:
            return f.template operator()<KvType::Q8_0>();
        case KvType::Q4_0:
            return f.template operator()<KvType::Q4_0>();
    }
}

}  // namespace kernels::detail
