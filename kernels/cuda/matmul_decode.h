#pragma once

#include <cuda_runtime.h>

#include <span>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/packed_weight.h"

namespace kernels::detail {

/// out[r] = w x[r] (+ bias); out [rows, w.rows] with `outStride` floats from row to row; bias [w.rows] or
/// null.
struct MatrixProduct {
    PackedMatrix w;
    float* out;
    int outStride;
    const float* bias;
};

/// Products of one input with a few rows, by integer tensor-core products: the decode family. Reads the
/// weights once for every 16 rows; products of one type share a launch. A row's sums run in one order
/// whatever the number of rows.
void matmulDecode(std::span<const MatrixProduct> products, const ActivationView& x, int rows,
                  cudaStream_t stream);

/// Where a product that closes a branch leads: residual [rows, out.width] += the product, and `out`, its
/// groups and squares only, that times norm [out.width].
struct ResidualEnd {
    ActivationView out;
    float* residual;
    const float* norm;
};

/// Whether this card and this type of matrix have matmulResidual; what that gives is bit for bit what
/// matmulDecode and addNorm give.
bool endsProducts(DType type);

void matmulResidual(const MatrixProduct& product, const ActivationView& x, int rows, const ResidualEnd& end,
                    cudaStream_t stream);

}  // namespace kernels::detail
