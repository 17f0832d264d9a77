#pragma once

#include <cuda_runtime.h>

#include "kernels/ops.h"

/// Operations that touch each row on its own: norms, gates, gathering, rotation and storing into KV blocks.
/// Shapes and meanings as in kernels::Ops.
namespace kernels::detail {

struct ActivationView;

void addNorm(const ActivationView& out, float* residual, const float* branch, const float* branchNorm,
             const float* norm, float epsilon, int rows, int width, cudaStream_t stream);

/// out = act(gate) * up; gate and up [rows, width] with `stride` floats from row to row.
void gatedActivation(const ActivationView& out, const float* gate, const float* up, int stride, GateKind kind,
                     int rows, cudaStream_t stream);

void gatherActivations(const ActivationView& out, const ActivationView& in, const int32_t* index, int rows,
                       cudaStream_t stream);

/// out [rows, width] += bias [width].
void addBias(float* out, int outStride, const float* bias, int rows, int width, cudaStream_t stream);

void rotations(float* out, const Rope& rope, const int32_t* positions, int rows, cudaStream_t stream);

void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows, const BlockTables& tables,
               cudaStream_t stream);

}  // namespace kernels::detail
