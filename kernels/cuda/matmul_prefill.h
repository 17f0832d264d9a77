#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <map>
#include <span>
#include <utility>

#include "kernels/cuda/matmul_decode.h"

namespace kernels::detail {

/// Products of prompt rows. Many are bound by arithmetic: the matrix is unpacked to bfloat16 a slab of rows
/// at a time and multiplied on the tensor cores by cuBLASLt. Each shape of slab has one algorithm, chosen
/// once and without split-K. Few rows read the packed matrix (matmul_few_rows.h), where both ways are found
/// to give the same bits for a shape: a row's result does not depend on the number of rows in the call.
class PrefillProduct {
  public:
    /// Throws OutOfDeviceMemory.
    PrefillProduct();
    ~PrefillProduct();
    PrefillProduct(const PrefillProduct&) = delete;
    PrefillProduct& operator=(const PrefillProduct&) = delete;

    /// Products with x[firstRow + r] for `rows` rows; their results begin with the first of these.
    void run(std::span<const MatrixProduct> products, const ActivationView& x, int firstRow, int rows,
             cudaStream_t stream);

  private:
    struct Shape {
        int slabRows, columns, outStride;
        auto operator<=>(const Shape&) const = default;
    };
    struct Matrix {
        DType type;
        int rows, columns, outStride;
        auto operator<=>(const Matrix&) const = default;
    };
    const cublasLtMatmulAlgo_t& algorithm(const Shape& shape);
    void runUnpacked(const MatrixProduct& product, const ActivationView& x, int firstRow, int rows,
                     cudaStream_t stream);
    /// Whether few rows of this product may read the packed matrix. The first time both ways are run, and
    /// waited for.
    bool readsPacked(const MatrixProduct& product, const ActivationView& x, int firstRow, int rows,
                     cudaStream_t stream);

    cublasLtHandle_t handle_ = nullptr;
    cublasLtMatmulDesc_t product_ = nullptr;
    size_t slabValues_ = 0;
    void* slab_ = nullptr;  ///< bfloat16 [slabValues_]
    void* workspace_ = nullptr;
    std::map<Shape, cublasLtMatmulAlgo_t> algorithms_;
    std::map<Matrix, bool> readsFewPacked_;  ///< whether both ways agree
};

}  // namespace kernels::detail
