#pragma once

#include "kernels/cpu/cpu_activations.h"
#include "kernels/cpu/simd_kernels.h"
#include "kernels/cpu/thread_pool.h"

namespace kernels::detail {

/// Ops::rotations on the pool.
void rotations(float* out, const Rope& rope, const int32_t* positions, int rows, ThreadPool& pool);

/// Ops::ropeStore on the pool.
void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows, const BlockTables& tables,
               const SimdKernels& simd, ThreadPool& pool);

/// Ops::attention on the pool, into the float rows of `out`. A part of the work is some rows of one sequence
/// and one KV head: each 16 tokens of K and V are converted to floats once for all of them. A row adds tiles
/// of 16 tokens in ascending order with a running softmax, so its result does not depend on which rows share
/// its part. layer.blockTokens must be a multiple of 16.
void attend(CpuActivations& out, const float* query, int queryStride, const KvLayer& layer,
            const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
            const SimdKernels& simd, ThreadPool& pool);

/// One stored row of K or V (blocks of 32 as GGUF stores them) to floats, and back.
void loadKvRow(float* out, const std::byte* row, KvType type, int dim, const SimdKernels& simd);
void storeKvRow(std::byte* row, const float* in, KvType type, int dim, const SimdKernels& simd);

}  // namespace kernels::detail
