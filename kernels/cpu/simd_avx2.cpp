// Compiled for AVX2, FMA and F16C; called only where the processor has them.
#if defined(__x86_64__)
#include "kernels/cpu/simd_avx2.h"

#include <algorithm>
#include <bit>

namespace kernels::detail {
namespace {

struct Simd : Avx2Base {
    static constexpr Isa kIsa = Isa::Avx2;
    static constexpr bool kUnsignedWide = false;

    /// Byte products are added in pairs as 16-bit numbers, which holds quants of up to seven bits.
    static __m256i dotHalf(__m256i sum, __m256i quants, __m256i x) {
        return _mm256_add_epi32(sum,
                                _mm256_madd_epi16(_mm256_maddubs_epi16(quants, x), _mm256_set1_epi16(1)));
    }
    static I dot(I sum, B quants, const int8_t* four) {
        const __m256i x = broadcastFour(four);
        return {dotHalf(sum.low, quants.low, x), dotHalf(sum.high, quants.high, x)};
    }
    /// Quants of eight bits, less 128: magnitude times signed activation stays within 16 bits.
    static I wideDot(I sum, B quants, const int8_t* four) {
        const __m256i x = broadcastFour(four);
        const B centred = each(quants, [](__m256i v) { return _mm256_xor_si256(v, _mm256_set1_epi8(-128)); });
        return {dotHalf(sum.low, _mm256_abs_epi8(centred.low), _mm256_sign_epi8(x, centred.low)),
                dotHalf(sum.high, _mm256_abs_epi8(centred.high), _mm256_sign_epi8(x, centred.high))};
    }
};

#include "kernels/cpu/simd_kernels.inc"

}  // namespace

const SimdKernels& avx2Kernels() {
    return kKernels;
}

}  // namespace kernels::detail
#endif
