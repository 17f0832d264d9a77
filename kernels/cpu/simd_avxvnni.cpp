// Compiled for AVX2, FMA, F16C and AVX-VNNI; called only where the processor has them.
#if defined(__x86_64__)
#include "kernels/cpu/simd_avx2.h"

#include <algorithm>
#include <bit>

namespace kernels::detail {
namespace {

struct Simd : Avx2Base {
    static constexpr Isa kIsa = Isa::AvxVnni;
    static constexpr bool kUnsignedWide = true;

    static I dot(I sum, B quants, const int8_t* four) {
        const __m256i x = broadcastFour(four);
        return {_mm256_dpbusd_avx_epi32(sum.low, quants.low, x),
                _mm256_dpbusd_avx_epi32(sum.high, quants.high, x)};
    }
};

#include "kernels/cpu/simd_kernels.inc"

}  // namespace

const SimdKernels& avxVnniKernels() {
    return kKernels;
}

}  // namespace kernels::detail
#endif
