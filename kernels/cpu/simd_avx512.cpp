// Compiled for AVX-512 (F, BW, VL) with VNNI; called only where the processor has them.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <bit>

#include "kernels/cpu/simd_kernels.h"

namespace kernels::detail {
namespace {

struct Simd {
    using F = __m512;
    using I = __m512i;
    using B = __m512i;
    static constexpr Isa kIsa = Isa::Avx512Vnni;
    static constexpr int kRows = 8;
    static constexpr bool kUnsignedWide = true;

    static F zeroF() { return _mm512_setzero_ps(); }
    static F set1(float x) { return _mm512_set1_ps(x); }
    static F loadF(const float* p) { return _mm512_loadu_ps(p); }
    static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
    static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
    static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
    static F toFloat(I x) { return _mm512_cvtepi32_ps(x); }
    static __m128i load16(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    static F loadHalves(const std::byte* p) {
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    }
    static void storeHalves(uint16_t* p, F x) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                            _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    static F loadUnsignedBytes(const std::byte* p) {
        return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load16(p)));
    }
    static F loadSignedBytes(const std::byte* p) {
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load16(p)));
    }
    static F loadLowNibbles(const std::byte* p) {
        return _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_cvtepu8_epi32(load16(p)), _mm512_set1_epi32(15)));
    }
    static F loadHighNibbles(const std::byte* p) {
        return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(load16(p)), 4));
    }

    static I zeroI() { return _mm512_setzero_si512(); }
    static I add(I a, I b) { return _mm512_add_epi32(a, b); }
    static I subtract(I a, int b) { return _mm512_sub_epi32(a, _mm512_set1_epi32(b)); }
    static I dot(I sum, B quants, const int8_t* four) {
        int32_t word;
        __builtin_memcpy(&word, four, 4);
        return _mm512_dpbusd_epi32(sum, quants, _mm512_set1_epi32(word));
    }

    static B load(const std::byte* p) { return _mm512_loadu_si512(p); }
    template <int kShift, int kMask>
    static B bits(B x) {
        return _mm512_and_si512(kShift == 0 ? x : _mm512_srli_epi16(x, kShift), _mm512_set1_epi8(kMask));
    }
    static B bitsAt(B x, int shift, int mask) {
        return _mm512_and_si512(_mm512_srl_epi16(x, _mm_cvtsi32_si128(shift)),
                                _mm512_set1_epi8(static_cast<char>(mask)));
    }
    static B insert4(B low, B high) { return _mm512_or_si512(low, _mm512_slli_epi16(high, 4)); }
    static B insert2(B low, B high) { return _mm512_or_si512(low, _mm512_slli_epi16(high, 2)); }
    static B lookup(B index) {
        return _mm512_shuffle_epi8(
            _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Table))), index);
    }
    static void prefetch(const std::byte* p) { _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0); }
};

#include "kernels/cpu/simd_kernels.inc"

}  // namespace

const SimdKernels& avx512VnniKernels() {
    return kKernels;
}

}  // namespace kernels::detail
#endif
