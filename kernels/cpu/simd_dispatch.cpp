#include <algorithm>

#include "kernels/cpu/simd_kernels.h"

namespace kernels {

Isa detectIsa() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") &&
                      __builtin_cpu_supports("fma");  // every AVX2 processor converts halves
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    if (avx2 && avx512) return Isa::Avx512Vnni;
#if !defined(__clang__) || __clang_major__ >= 15
    if (avx2 && __builtin_cpu_supports("avxvnni")) return Isa::AvxVnni;
#endif
    if (avx2) return Isa::Avx2;
#endif
    return Isa::Portable;
}

namespace detail {

const SimdKernels& simdKernels(Isa isa) {
#if defined(__x86_64__)
    switch (std::min(isa, detectIsa())) {
        case Isa::Avx512Vnni:
            return avx512VnniKernels();
        case Isa::AvxVnni:
            return avxVnniKernels();
        case Isa::Avx2:
            return avx2Kernels();
        case Isa::Portable:
            break;
    }
#else
    static_cast<void>(isa);
#endif
    return portableKernels();
}

}  // namespace detail
}  // namespace kernels
