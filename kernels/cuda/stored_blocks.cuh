#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/dtype.h"

/// Single elements of the stored block types, for repacking: the quant as an unsigned number and the scale
/// words of a group. Byte layouts as kernels::dequantizeRow defines them.
namespace kernels::detail {

struct StoredBlock {
    int elements;
    int bytes;
};

__host__ __device__ constexpr StoredBlock storedBlock(DType type) {
    switch (type) {
        case DType::Q4_0:
            return {32, 18};
        case DType::Q4_1:
            return {32, 20};
        case DType::Q5_0:
            return {32, 22};
        case DType::Q5_1:
            return {32, 24};
        case DType::Q8_0:
            return {32, 34};
        case DType::Q2_K:
            return {256, 84};
        case DType::Q3_K:
            return {256, 110};
        case DType::Q4_K:
            return {256, 144};
        case DType::Q5_K:
            return {256, 176};
        case DType::Q6_K:
            return {256, 210};
        case DType::IQ4_NL:
            return {32, 18};
        case DType::IQ4_XS:
            return {256, 136};
        default:
            return {1, 0};
    }
}

__device__ inline uint32_t load16(const uint8_t* p) {
    return p[0] | static_cast<uint32_t>(p[1]) << 8;
}

/// Nibble i of 32 stored as 16 low nibbles, then 16 high ones.
__device__ inline uint32_t nibble32(const uint8_t* quants, int i) {
    return i < 16 ? quants[i] & 15U : quants[i - 16] >> 4;
}

/// Quant k (within its block) as stored: 0 .. 2^bits - 1; Q8_0 as its two's complement byte.
template <DType T>
__device__ inline uint32_t storedQuant(const uint8_t* block, int k) {
    if constexpr (T == DType::Q4_0 || T == DType::IQ4_NL) return nibble32(block + 2, k);
    if constexpr (T == DType::Q4_1) return nibble32(block + 4, k);
    if constexpr (T == DType::Q5_0) return nibble32(block + 6, k) | ((block[2 + k / 8] >> (k % 8)) & 1U) << 4;
    if constexpr (T == DType::Q5_1) return nibble32(block + 8, k) | ((block[4 + k / 8] >> (k % 8)) & 1U) << 4;
    if constexpr (T == DType::Q8_0) return block[2 + k];
    if constexpr (T == DType::Q2_K) return (block[16 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2)) & 3U;
    if constexpr (T == DType::Q3_K) {
        const uint32_t low = (block[32 + k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2)) & 3U;
        return low | ((block[k % 32] >> (k / 32)) & 1U) << 2;
    }
    if constexpr (T == DType::Q4_K) return (block[16 + k / 64 * 32 + k % 32] >> (k % 64 / 32 * 4)) & 15U;
    if constexpr (T == DType::Q5_K) {
        const uint32_t low = (block[48 + k / 64 * 32 + k % 32] >> (k % 64 / 32 * 4)) & 15U;
        return low | ((block[16 + k % 32] >> (k / 32)) & 1U) << 4;
    }
    if constexpr (T == DType::Q6_K) {
        const int quarter = k % 128 / 32;
        const uint32_t low = (block[k / 128 * 64 + quarter % 2 * 32 + k % 32] >> (quarter / 2 * 4)) & 15U;
        return low | ((block[128 + k / 128 * 32 + k % 32] >> (quarter * 2)) & 3U) << 4;
    }
    if constexpr (T == DType::IQ4_XS) return nibble32(block + 8 + k / 32 * 16, k % 32);
    return 0;
}

struct ScaleAndMinimum {
    uint32_t scale, minimum;  ///< 6-bit numbers
};

/// The 6-bit scale and minimum of group j of 8, packed in 12 bytes (Q4_K, Q5_K).
__device__ inline ScaleAndMinimum packedScale(const uint8_t* s, int j) {
    if (j < 4) return {s[j] & 63U, s[j + 4] & 63U};
    return {(s[j + 4] & 15U) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | static_cast<uint32_t>(s[j] >> 6) << 4};
}

/// The word of scales of 64 columns from column `k` (a multiple of 64) of a stored row: two halves, or a byte
/// a group (Q4_K and Q5_K: two scales, then two minimums; Q2_K: scale in the low nibble, minimum in the high
/// one).
template <DType T>
__device__ inline uint32_t storedScales(const uint8_t* row, int k, int columns) {
    constexpr StoredBlock kBlock = storedBlock(T);
    uint32_t word = 0;
    if constexpr (kBlock.elements == 32) {
        for (int i = 0; i < 2; ++i)
            if (k + 32 * i < columns) word |= load16(row + (k / 32 + i) * kBlock.bytes) << (16 * i);
        return word;
    }
    const uint8_t* block = row + k / 256 * kBlock.bytes;
    const int within = k % 256;
    if constexpr (T == DType::Q4_K || T == DType::Q5_K) {
        for (int i = 0; i < 2; ++i) {
            const ScaleAndMinimum s = packedScale(block + 4, within / 32 + i);
            word |= (s.scale | s.minimum << 16) << (8 * i);
        }
    }
    if constexpr (T == DType::Q2_K)
        for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(block[within / 16 + i]) << (8 * i);
    if constexpr (T == DType::Q6_K)
        for (int i = 0; i < 4; ++i) word |= static_cast<uint32_t>(block[192 + within / 16 + i]) << (8 * i);
    if constexpr (T == DType::Q3_K) {
        for (int i = 0; i < 4; ++i) {
            const int j = within / 16 + i;
            const uint32_t low = j < 8 ? block[96 + j] & 15U : block[96 + j - 8] >> 4;
            const uint32_t high = (block[104 + j % 4] >> (j / 4 * 2)) & 3U;
            word |= (((low | high << 4) - 32U) & 255U) << (8 * i);
        }
    }
    if constexpr (T == DType::IQ4_XS) {
        for (int i = 0; i < 2; ++i) {
            const int j = within / 32 + i;
            const uint32_t low = (block[4 + j / 2] >> (j % 2 * 4)) & 15U;
            const uint32_t high = (load16(block + 2) >> (2 * j)) & 3U;
            word |= (((low | high << 4) - 32U) & 255U) << (8 * i);
        }
    }
    return word;
}

/// The word of minimums of 64 columns (types *_1).
template <DType T>
__device__ inline uint32_t storedMinimums(const uint8_t* row, int k, int columns) {
    uint32_t word = 0;
    for (int i = 0; i < 2; ++i)
        if (k + 32 * i < columns) word |= load16(row + (k / 32 + i) * storedBlock(T).bytes + 2) << (16 * i);
    return word;
}

/// half2 (d, dmin) of the 256 columns from column `k`; dmin 0 where the type has none.
template <DType T>
__device__ inline uint32_t storedSupers(const uint8_t* row, int k) {
    const uint8_t* block = row + k / 256 * storedBlock(T).bytes;
    if constexpr (T == DType::Q4_K || T == DType::Q5_K) return load16(block) | load16(block + 2) << 16;
    if constexpr (T == DType::Q2_K) return load16(block + 80) | load16(block + 82) << 16;
    if constexpr (T == DType::Q3_K) return load16(block + 108);
    if constexpr (T == DType::Q6_K) return load16(block + 208);
    if constexpr (T == DType::IQ4_XS) return load16(block);
    return 0;
}

}  // namespace kernels::detail
