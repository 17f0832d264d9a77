#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/ops.h"

/// Reading rows of K and V from the cache: quants first, then one half scale for each 32 of them.
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
