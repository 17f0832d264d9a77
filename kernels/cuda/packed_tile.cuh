#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/cuda/packed_weight.h"

/// Reading packed tiles (see packed_weight.h): a lane's registers, and the scale and minimum of a group.
namespace kernels::detail {

template <DType T>
struct TypeFacts {
    static constexpr bool kQuads = T != DType::Q8_0 && T != DType::Q2_K && T != DType::Q3_K;
    static constexpr bool kPairs = T == DType::Q2_K || T == DType::Q3_K || T == DType::Q6_K;
    static constexpr bool kSingles =
        T == DType::Q3_K || T == DType::Q5_0 || T == DType::Q5_1 || T == DType::Q5_K;
    static constexpr bool kBytes = T == DType::Q8_0;
    static constexpr bool kMinimums = T == DType::Q4_1 || T == DType::Q5_1;
    static constexpr bool kSupers = T == DType::Q2_K || T == DType::Q3_K || T == DType::Q4_K ||
                                    T == DType::Q5_K || T == DType::Q6_K || T == DType::IQ4_XS;
    static constexpr bool kLookup = T == DType::IQ4_NL || T == DType::IQ4_XS;
    static constexpr int kGroup = T == DType::Q2_K || T == DType::Q3_K || T == DType::Q6_K ? 16 : 32;
};

/// Where the parts of a span of `tiles` tiles begin, in bytes; every part is a multiple of 16.
template <DType T>
struct SpanLayout {
    using Facts = TypeFacts<T>;
    static constexpr int kTileBytes = (Facts::kQuads ? 512 : 0) + (Facts::kPairs ? 256 : 0) +
                                      (Facts::kSingles ? 128 : 0) + (Facts::kBytes ? 1024 : 0) + 64 +
                                      (Facts::kMinimums ? 64 : 0);
    static constexpr int kSuperBytes = Facts::kSupers ? 64 : 0;
    static constexpr int kFullBytes = kSpanTiles * kTileBytes + kSuperBytes;

    int tiles;
    __host__ __device__ constexpr int quads() const { return 0; }
    __host__ __device__ constexpr int pairs() const { return quads() + (Facts::kQuads ? tiles * 512 : 0); }
    __host__ __device__ constexpr int singles() const { return pairs() + (Facts::kPairs ? tiles * 256 : 0); }
    __host__ __device__ constexpr int bytes() const {
        return singles() + (Facts::kSingles ? tiles * 128 : 0);
    }
    __host__ __device__ constexpr int scales() const { return bytes() + (Facts::kBytes ? tiles * 1024 : 0); }
    __host__ __device__ constexpr int minimums() const { return scales() + tiles * 64; }
    __host__ __device__ constexpr int supers() const {
        return minimums() + (Facts::kMinimums ? tiles * 64 : 0);
    }
    __host__ __device__ constexpr int total() const { return supers() + kSuperBytes; }
};

__host__ __device__ inline int spanTiles(const PackedMatrix& w, int span) {
    return w.kTiles - span * kSpanTiles < kSpanTiles ? w.kTiles - span * kSpanTiles : kSpanTiles;
}

template <DType T>
__host__ __device__ inline const std::byte* spanData(const PackedMatrix& w, int rowTile, int span) {
    return w.data + static_cast<size_t>(rowTile) * w.rowTileBytes +
           static_cast<size_t>(span) * SpanLayout<T>::kFullBytes;
}

/// The stored words of one lane of one tile, as loaded.
template <DType T>
struct LaneTile {
    uint4 quads;
    uint2 pairs;
    uint32_t singles;
    uint4 low, high;  // bytes plane, steps 0 and 1
    uint2 scales, minimums;
};

/// Tile `tile` of a span, from device or shared memory.
template <DType T>
__device__ __forceinline__ LaneTile<T> loadTile(const std::byte* span, SpanLayout<T> layout, int tile,
                                                int lane) {
    using Facts = TypeFacts<T>;
    LaneTile<T> words;
    if constexpr (Facts::kQuads)
        words.quads = reinterpret_cast<const uint4*>(span + layout.quads())[tile * 32 + lane];
    if constexpr (Facts::kPairs)
        words.pairs = reinterpret_cast<const uint2*>(span + layout.pairs())[tile * 32 + lane];
    if constexpr (Facts::kSingles)
        words.singles = reinterpret_cast<const uint32_t*>(span + layout.singles())[tile * 32 + lane];
    if constexpr (Facts::kBytes) {
        words.low = reinterpret_cast<const uint4*>(span + layout.bytes())[tile * 64 + lane];
        words.high = reinterpret_cast<const uint4*>(span + layout.bytes())[tile * 64 + 32 + lane];
    }
    words.scales = reinterpret_cast<const uint2*>(span + layout.scales())[tile * 8 + lane / 4];
    if constexpr (Facts::kMinimums)
        words.minimums = reinterpret_cast<const uint2*>(span + layout.minimums())[tile * 8 + lane / 4];
    return words;
}

/// Super-scales of rows g and g + 8 of a span.
template <DType T>
__device__ __forceinline__ uint2 loadSupers(const std::byte* span, SpanLayout<T> layout, int lane) {
    if constexpr (!TypeFacts<T>::kSupers) return {0, 0};
    return reinterpret_cast<const uint2*>(span + layout.supers())[lane / 4];
}

/// Four values of the IQ4 table for the nibbles in the low half of each byte.
__device__ inline uint32_t lookupIq4(uint32_t nibbles) {
    // -127 -104 -83 -65 | -49 -35 -22 -10 | 1 13 25 38 | 53 69 89 113, as bytes
    const uint32_t selector =
        (nibbles & 7U) | (nibbles >> 4 & 0x70U) | (nibbles >> 8 & 0x700U) | (nibbles >> 12 & 0x7000U);
    const uint32_t lower = __byte_perm(0xBFAD9881U, 0xF6EADDCFU, selector);
    const uint32_t upper = __byte_perm(0x26190D01U, 0x71594535U, selector);
    const uint32_t takeUpper = (nibbles >> 3 & 0x01010101U) * 0xFFU;
    return (lower & ~takeUpper) | (upper & takeUpper);
}

/// The lane's eight registers of quants, four int8 each.
template <DType T>
__device__ __forceinline__ void unpackTile(const LaneTile<T>& tile, uint32_t (&r)[8]) {
    using Facts = TypeFacts<T>;
    if constexpr (Facts::kBytes) {
        r[0] = tile.low.x, r[1] = tile.low.y, r[2] = tile.low.z, r[3] = tile.low.w;
        r[4] = tile.high.x, r[5] = tile.high.y, r[6] = tile.high.z, r[7] = tile.high.w;
        return;
    }
    if constexpr (Facts::kQuads) {
        const uint32_t words[4] = {tile.quads.x, tile.quads.y, tile.quads.z, tile.quads.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            r[i] = words[i] & 0x0F0F0F0FU;
            r[i + 4] = words[i] >> 4 & 0x0F0F0F0FU;
        }
    }
    if constexpr (Facts::kPairs) {
        constexpr int kShift = Facts::kQuads ? 4 : 0;
        const uint32_t words[2] = {tile.pairs.x, tile.pairs.y};
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const uint32_t bits = (words[i / 4] >> (2 * (i % 4)) & 0x03030303U) << kShift;
            r[i] = Facts::kQuads ? r[i] | bits : bits;
        }
    }
    if constexpr (Facts::kSingles) {
        constexpr int kShift = Facts::kQuads ? 4 : 2;
#pragma unroll
        for (int i = 0; i < 8; ++i) r[i] |= (tile.singles >> i & 0x01010101U) << kShift;
    }
    if constexpr (Facts::kLookup) {
#pragma unroll
        for (int i = 0; i < 8; ++i) r[i] = lookupIq4(r[i]);
    }
}

struct Affine {
    float scale, minimum;  ///< value = scale * quant + minimum
};

__device__ inline float halfAt(uint32_t word, int index) {
    return __half2float(__ushort_as_half(static_cast<unsigned short>(word >> (16 * index))));
}

/// A byte as a float: it becomes the last bits of 2^23, which leaves again, in two cheap instructions where a
/// conversion takes a slow one.
__device__ inline float byteAt(uint32_t word, int index) {
    return __uint_as_float(__byte_perm(word, 0x4B000000U, 0x7540U | static_cast<uint32_t>(index))) -
           8388608.0F;
}

__device__ inline float signedByteAt(uint32_t word, int index) {
    return byteAt(word ^ 0x80808080U, index) - 128.0F;
}

/// Scale and minimum of group `index` of a row's 64 columns (4 groups of 16 or 2 of 32).
template <DType T>
__device__ inline Affine unpackScale(uint32_t scales, uint32_t minimums, uint32_t supers, int index) {
    if constexpr (T == DType::Q4_K || T == DType::Q5_K) {
        return {halfAt(supers, 0) * byteAt(scales, index), -halfAt(supers, 1) * byteAt(scales, index + 2)};
    } else if constexpr (T == DType::Q2_K) {
        return {halfAt(supers, 0) * byteAt(scales & 0x0F0F0F0FU, index),
                -halfAt(supers, 1) * byteAt(scales >> 4 & 0x0F0F0F0FU, index)};
    } else if constexpr (T == DType::Q3_K) {
        const float scale = halfAt(supers, 0) * signedByteAt(scales, index);
        return {scale, -4.0F * scale};
    } else if constexpr (T == DType::Q6_K) {
        const float scale = halfAt(supers, 0) * signedByteAt(scales, index);
        return {scale, -32.0F * scale};
    } else if constexpr (T == DType::IQ4_XS) {
        return {halfAt(supers, 0) * signedByteAt(scales, index), 0.0F};
    } else if constexpr (T == DType::Q4_1 || T == DType::Q5_1) {
        return {halfAt(scales, index), halfAt(minimums, index)};
    } else {
        const float scale = halfAt(scales, index);
        return {scale, T == DType::Q4_0 ? -8.0F * scale : T == DType::Q5_0 ? -16.0F * scale : 0.0F};
    }
}

/// Scales and minimums of a lane's two rows of a tile: of row g + 8 half, group `index`. Rounded to bfloat16,
/// twice in a word each, which moves a value by less than its own rounding to bfloat16 does in the middle of
/// its range.
template <DType T>
struct LaneScale {
    static constexpr int kGroups = 64 / TypeFacts<T>::kGroup;
    __nv_bfloat162 scale[2][kGroups], minimum[2][kGroups];

    __device__ __forceinline__ LaneScale(const LaneTile<T>& tile, uint2 supers) {
#pragma unroll
        for (int half = 0; half < 2; ++half)
#pragma unroll
            for (int index = 0; index < kGroups; ++index) {
                uint32_t minimums = 0;
                if constexpr (TypeFacts<T>::kMinimums)
                    minimums = half == 0 ? tile.minimums.x : tile.minimums.y;
                const Affine affine = unpackScale<T>(half == 0 ? tile.scales.x : tile.scales.y, minimums,
                                                     half == 0 ? supers.x : supers.y, index);
                // Two at a time is the fast conversion.
                scale[half][index] = __floats2bfloat162_rn(affine.scale, affine.scale);
                minimum[half][index] = __floats2bfloat162_rn(affine.minimum, affine.minimum);
            }
    }
};

/// a b + c, rounded once.
__device__ __forceinline__ __nv_bfloat162 multiplyAdd(__nv_bfloat162 a, __nv_bfloat162 b, __nv_bfloat162 c) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    return __hfma2(a, b, c);
#else
    const float2 x = __bfloat1622float2(a), y = __bfloat1622float2(b), z = __bfloat1622float2(c);
    return __floats2bfloat162_rn(fmaf(x.x, y.x, z.x), fmaf(x.y, y.y, z.y));
#endif
}

/// Bytes `first` and `first` + 2 of a register of quants as bfloat16 numbers, which hold them exactly.
template <DType T>
__device__ __forceinline__ __nv_bfloat162 quantPair(uint32_t quants, int first) {
    if constexpr (TypeFacts<T>::kLookup || TypeFacts<T>::kBytes) {
        return __floats2bfloat162_rn(signedByteAt(quants, first), signedByteAt(quants, first + 2));
    } else {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
        // Below 128 a quant becomes the last bits of 128, which leaves again.
        uint32_t words = 0;
        // (a & b) | c, which is one instruction.
        asm("lop3.b32 %0, %1, %2, %3, 0xEA;"
            : "=r"(words)
            : "r"(quants >> (8 * first)), "n"(0x00FF00FF), "n"(0x43004300));
        return __hsub2(*reinterpret_cast<const __nv_bfloat162*>(&words), __float2bfloat162_rn(128.0F));
#else
        return __floats2bfloat162_rn(byteAt(quants, first), byteAt(quants, first + 2));
#endif
    }
}

/// The values of row g + 8 half of a tile, columns 16 quarter + columnInStep(t, 0 and 2), then (1 and 3).
/// `registers` from unpackTile.
template <DType T>
__device__ __forceinline__ uint2 unpackFour(const LaneScale<T>& scale, const uint32_t (&registers)[8],
                                            int quarter, int half) {
    const int group = TypeFacts<T>::kGroup == 16 ? quarter : quarter / 2;
    const uint32_t quants = registers[quarter / 2 * 4 + quarter % 2 * 2 + half];
    __nv_bfloat162 pairs[2];
#pragma unroll
    for (int i = 0; i < 2; ++i)
        pairs[i] = multiplyAdd(quantPair<T>(quants, i), scale.scale[half][group], scale.minimum[half][group]);
    return *reinterpret_cast<const uint2*>(pairs);
}

/// A lane's operand of the m16n8k16 product for step `quarter` of a tile.
template <DType T>
__device__ __forceinline__ uint4 unpackStep(const LaneScale<T>& scale, const uint32_t (&registers)[8],
                                            int quarter) {
    const uint2 low = unpackFour<T>(scale, registers, quarter, 0),
                high = unpackFour<T>(scale, registers, quarter, 1);
    return {low.x, high.x, low.y, high.y};
}

/// One value, for gathering embedding rows and for unpacking.
template <DType T>
__device__ inline float packedValue(const PackedMatrix& w, int row, int column) {
    using Facts = TypeFacts<T>;
    const std::byte* span = spanData<T>(w, row / 16, column / 256);
    const SpanLayout<T> layout{spanTiles(w, column / 256)};
    const int tile = column / 64 % kSpanTiles;
    const int g = row % 8, h = row / 8 % 2, k = column % 64;
    const int lane = g * 4 + laneOfColumn(k), byte = 8 * byteOfColumn(k);
    const int r = k / 32 * 4 + k / 16 % 2 * 2 + h;  // register number
    const auto word = [span](int offset, int index) {
        return reinterpret_cast<const uint32_t*>(span + offset)[index];
    };
    uint32_t quant = 0;
    if constexpr (Facts::kBytes)
        quant = word(layout.bytes(), (tile * 64 + r / 4 * 32 + lane) * 4 + r % 4) >> byte & 255U;
    if constexpr (Facts::kQuads)
        quant = word(layout.quads(), (tile * 32 + lane) * 4 + r % 4) >> (byte + r / 4 * 4) & 15U;
    if constexpr (Facts::kPairs)
        quant |= (word(layout.pairs(), (tile * 32 + lane) * 2 + r / 4) >> (byte + r % 4 * 2) & 3U)
                 << (Facts::kQuads ? 4 : 0);
    if constexpr (Facts::kSingles)
        quant |= (word(layout.singles(), tile * 32 + lane) >> (byte + r) & 1U) << (Facts::kQuads ? 4 : 2);
    if constexpr (Facts::kLookup) quant = lookupIq4(quant) & 255U;
    const uint32_t scales = word(layout.scales(), (tile * 8 + g) * 2 + h);
    uint32_t minimums = 0, supers = 0;
    if constexpr (Facts::kMinimums) minimums = word(layout.minimums(), (tile * 8 + g) * 2 + h);
    if constexpr (Facts::kSupers) supers = word(layout.supers(), g * 2 + h);
    const Affine a = unpackScale<T>(scales, minimums, supers, k / Facts::kGroup);
    const bool isSigned = Facts::kLookup || Facts::kBytes;
    return a.scale * (isSigned ? static_cast<float>(static_cast<int8_t>(quant)) : static_cast<float>(quant)) +
           a.minimum;
}

/// Calls f with a compile-time type for a run-time quantised one.
template <class F>
void dispatchQuantised(DType type, F&& f) {
    switch (type) {
        case DType::Q4_0:
            return f.template operator()<DType::Q4_0>();
        case DType::Q4_1:
            return f.template operator()<DType::Q4_1>();
        case DType::Q5_0:
            return f.template operator()<DType::Q5_0>();
        case DType::Q5_1:
            return f.template operator()<DType::Q5_1>();
        case DType::Q8_0:
            return f.template operator()<DType::Q8_0>();
        case DType::Q2_K:
            return f.template operator()<DType::Q2_K>();
        case DType::Q3_K:
            return f.template operator()<DType::Q3_K>();
        case DType::Q4_K:
            return f.template operator()<DType::Q4_K>();
        case DType::Q5_K:
            return f.template operator()<DType::Q5_K>();
        case DType::Q6_K:
            return f.template operator()<DType::Q6_K>();
        case DType::IQ4_NL:
            return f.template operator()<DType::IQ4_NL>();
        case DType::IQ4_XS:
            return f.template operator()<DType::IQ4_XS>();
        default:
            throw std::logic_error("a float type has no packed form");
    }
}

__device__ inline float plainValue(const PackedMatrix& w, size_t index) {
    switch (w.type) {
        case DType::F32:
            return reinterpret_cast<const float*>(w.data)[index];
        case DType::F16:
            return __half2float(reinterpret_cast<const __half*>(w.data)[index]);
        default:
            return __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(w.data)[index]);
    }
}

}  // namespace kernels::detail
