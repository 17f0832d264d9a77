#include "kernels/cpu/simd_kernels.h"

namespace kernels {
namespace {

bool supports(Isa isa) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") &&
                      __builtin_cpu_supports("fma");  // every AVX2 processor converts halves
    switch (isa) {
        case Isa::Avx512Vnni:
            return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
        case Isa::AvxVnni:
#if !defined(__clang__) || __clang_major__ >= 15
            return avx2 && __builtin_cpu_supports("avxvnni");
#else
            return false;  // this compiler cannot ask
#endif
        case Isa::Avx2:
            return avx2;
        case Isa::Portable:
            return true;
    }
#endif
    return isa == Isa::Portable;
}

/// `isa`, or the best lesser one that runs here. AVX-512 processors need not have the VEX-coded AVX-VNNI.
Isa atMost(Isa isa) {
    while (!supports(isa)) isa = static_cast<Isa>(static_cast<int>(isa) - 1);
    return isa;
}

}  // namespace

Isa detectIsa() {
    return atMost(Isa::Avx512Vnni);
}

namespace detail {

const SimdKernels& simdKernels(Isa isa) {
#if defined(__x86_64__)
    switch (atMost(isa)) {
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
