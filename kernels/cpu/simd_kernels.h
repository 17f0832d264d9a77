#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/cpu_activations.h"
#include "kernels/cpu/cpu_ops.h"
#include "kernels/cpu/packed_matrix.h"

namespace kernels::detail {

/// The inner loops, compiled once for each instruction set from simd_kernels.inc and chosen at run time.
/// Every function sums in one fixed order, whatever else is computed beside it.
struct SimdKernels {
    Isa isa;
    /// out[r * outStride + i] = product of row `i` of 16 of the tile with activation row firstRow + r, for
    /// `rows` rows.
    void (*tileProduct)(const PackedMatrix& w, int tile, const CpuActivations& x, int firstRow, int rows,
                        float* out, size_t outStride);
    /// Quantises a float row in place beside it: fills quants and facts of `row`.
    void (*quantiseRow)(CpuActivations& x, int row);
    float (*dot)(const float* a, const float* b, size_t count);
    /// y += a * x
    void (*addScaled)(float* y, float a, const float* x, size_t count);
    void (*halvesToFloats)(float* out, const uint16_t* in, size_t count);
    void (*floatsToHalves)(uint16_t* out, const float* in, size_t count);
};

/// The kernels of an instruction set; of a lesser one where this build or processor lacks it.
const SimdKernels& simdKernels(Isa isa);

const SimdKernels& portableKernels();
#if defined(__x86_64__)
const SimdKernels& avx2Kernels();
const SimdKernels& avxVnniKernels();
const SimdKernels& avx512VnniKernels();
#endif

}  // namespace kernels::detail
