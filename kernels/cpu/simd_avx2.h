#pragma once

#include <immintrin.h>

#include "kernels/cpu/simd_kernels.h"

/// 256-bit vectors for the two AVX2 builds (with and without VNNI). Everything is in an anonymous namespace,
/// because each including file is compiled for another instruction set.
namespace kernels::detail {
namespace {

struct Avx2Base {
    struct F {
        __m256 low, high;
    };
    struct I {
        __m256i low, high;
    };
    using B = I;
    static constexpr int kRows = 4;

    static F zeroF() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
    static F set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
    static F loadF(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
    static void store(float* p, F x) {
        _mm256_storeu_ps(p, x.low);
        _mm256_storeu_ps(p + 8, x.high);
    }
    static F mul(F a, F b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
    static F fma(F a, F b, F c) {
        return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
    }
    static F toFloat(I x) { return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
    static __m128i load16(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    static F loadHalves(const std::byte* p) {
        return {_mm256_cvtph_ps(load16(p)), _mm256_cvtph_ps(load16(p + 16))};
    }
    static void storeHalves(uint16_t* p, F x) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm256_cvtps_ph(x.low, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8),
                         _mm256_cvtps_ph(x.high, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    static I widenUnsigned(__m128i x) {
        return {_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))};
    }
    static F loadUnsignedBytes(const std::byte* p) { return toFloat(widenUnsigned(load16(p))); }
    static F loadSignedBytes(const std::byte* p) {
        const __m128i x = load16(p);
        return toFloat({_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))});
    }
    static F loadLowNibbles(const std::byte* p) {
        return toFloat(widenUnsigned(_mm_and_si128(load16(p), _mm_set1_epi8(15))));
    }
    static F loadHighNibbles(const std::byte* p) {
        return toFloat(widenUnsigned(_mm_and_si128(_mm_srli_epi16(load16(p), 4), _mm_set1_epi8(15))));
    }

    static I zeroI() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
    static I add(I a, I b) { return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
    static I subtract(I a, int b) {
        const __m256i x = _mm256_set1_epi32(b);
        return {_mm256_sub_epi32(a.low, x), _mm256_sub_epi32(a.high, x)};
    }
    static __m256i broadcastFour(const int8_t* four) {
        int32_t word;
        __builtin_memcpy(&word, four, 4);
        return _mm256_set1_epi32(word);
    }

    static __m256i load32(const std::byte* p) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    }
    static B load(const std::byte* p) { return {load32(p), load32(p + 32)}; }
    template <class Operation>
    static B each(B x, Operation operation) {
        return {operation(x.low), operation(x.high)};
    }
    template <int kShift, int kMask>
    static B bits(B x) {
        return each(x, [](__m256i v) {
            return _mm256_and_si256(_mm256_srli_epi16(v, kShift), _mm256_set1_epi8(kMask));
        });
    }
    static B bitsAt(B x, int shift, int mask) {
        return each(x, [=](__m256i v) {
            return _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(shift)),
                                    _mm256_set1_epi8(static_cast<char>(mask)));
        });
    }
    static B insert4(B low, B high) {
        return {_mm256_or_si256(low.low, _mm256_slli_epi16(high.low, 4)),
                _mm256_or_si256(low.high, _mm256_slli_epi16(high.high, 4))};
    }
    static B insert2(B low, B high) {
        return {_mm256_or_si256(low.low, _mm256_slli_epi16(high.low, 2)),
                _mm256_or_si256(low.high, _mm256_slli_epi16(high.high, 2))};
    }
    static B lookup(B index) {
        const __m256i table =
            _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Table)));
        return each(index, [=](__m256i v) { return _mm256_shuffle_epi8(table, v); });
    }
    static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
};

}  // namespace
}  // namespace kernels::detail
