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
    /// sums[r] = weights . rows[r], for `count` rows of `columns` floats each.
    void (*dots)(float* sums, const float* weights, const float* const* rows, int count, size_t columns);
    /// Attention over 16 tokens at a time. scores[16 q + t] = queries[q] . key t, for `count` queries;
    /// keys [keyDim, 16].
    void (*tokenScores)(float* scores, const float* keys, int keyDim, const float* const* queries, int count);
    /// x[i] = e^x[i] of 16 values that are 0 or less.
    void (*exponentials)(float* x);
    /// sums += weights[t] * values[t] for tokens begin <= t < end; values [16, width], width a multiple
    /// of 16.
    void (*addValues)(float* sums, const float* weights, const float* values, int begin, int end, int width);
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
