#include "kernels/cuda/matmul_prefill.h"

#include <vector>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/cuda_common.cuh"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/row_operations.h"

namespace kernels::detail {
namespace {

// Of a slab, for each multiprocessor: enough that a product of a thousand rows fills the card, whose large
// products lose more to a last round of few tiles than to a slab beyond the second-level cache.
constexpr size_t kSlabValues = 512U << 10;
constexpr size_t kWorkspaceBytes = 32U << 20;
constexpr int kTypicalRows = 2048;  // algorithms are chosen for this many rows

void checkBlas(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw std::runtime_error(std::string("cuBLASLt: ") + what + ": " + cublasLtGetStatusString(status));
}

/// Column-major views of the row-major operands: out^T [slabRows, rows] = w [slabRows, columns] x^T.
struct Layouts {
    cublasLtMatrixLayout_t weights = nullptr, rows = nullptr, out = nullptr;
    Layouts(int slabRows, int columns, int outStride, int count) {
        checkBlas(cublasLtMatrixLayoutCreate(&weights, CUDA_R_16BF, columns, slabRows, columns),
                  "weight layout");
        checkBlas(cublasLtMatrixLayoutCreate(&rows, CUDA_R_16BF, columns, count, columns), "row layout");
        checkBlas(cublasLtMatrixLayoutCreate(&out, CUDA_R_32F, slabRows, count, outStride), "result layout");
    }
    ~Layouts() {
        cublasLtMatrixLayoutDestroy(weights);
        cublasLtMatrixLayoutDestroy(rows);
        cublasLtMatrixLayoutDestroy(out);
    }
    Layouts(const Layouts&) = delete;
    Layouts& operator=(const Layouts&) = delete;
};

int slabRowsOf(const PackedMatrix& w, size_t values) {
    const int fit = static_cast<int>(values / static_cast<size_t>(w.columns)) / 128 * 128;
    const int slabs = ceilDiv(w.rows, fit > 128 ? fit : 128);
    return ceilDiv(ceilDiv(w.rows, slabs), 128) * 128;
}

/// Counts the values that differ in a bit. a [rows, width] with `stride` floats from row to row, b without
/// gaps.
__global__ void countDifferent(unsigned* count, const float* a, int stride, const float* b, int width,
                               int rows) {
    const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (index >= rows * width) return;
    const float value = a[static_cast<size_t>(index / width) * stride + index % width];
    if (__float_as_uint(value) != __float_as_uint(b[index])) atomicAdd(count, 1U);
}

}  // namespace

PrefillProduct::PrefillProduct() {
    checkBlas(cublasLtCreate(&handle_), "create");
    checkBlas(cublasLtMatmulDescCreate(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "descriptor");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    checkBlas(
        cublasLtMatmulDescSetAttribute(product_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
        "transpose");
    slabValues_ = kSlabValues * static_cast<size_t>(multiprocessors());
    if (cudaMalloc(&slab_, slabValues_ * 2) != cudaSuccess ||
        cudaMalloc(&workspace_, kWorkspaceBytes) != cudaSuccess)
        throw OutOfDeviceMemory("the GPU has no room for " +
                                std::to_string((slabValues_ * 2 + kWorkspaceBytes) >> 20) +
                                " MiB of prefill workspace; close other programs that use it");
}

PrefillProduct::~PrefillProduct() {
    cudaFree(slab_);
    cudaFree(workspace_);
    cublasLtMatmulDescDestroy(product_);
    cublasLtDestroy(handle_);
}

const cublasLtMatmulAlgo_t& PrefillProduct::algorithm(const Shape& shape) {
    const auto known = algorithms_.find(shape);
    if (known != algorithms_.end()) return known->second;
    const Layouts layouts(shape.slabRows, shape.columns, shape.outStride, kTypicalRows);
    cublasLtMatmulPreference_t preference = nullptr;
    checkBlas(cublasLtMatmulPreferenceCreate(&preference), "preference");
    const uint32_t noReduction = CUBLASLT_REDUCTION_SCHEME_NONE;
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &noReduction,
                                         sizeof noReduction);
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                         &kWorkspaceBytes, sizeof kWorkspaceBytes);
    // Alignments hold for every row and slab: rows start at multiples of the column count, 32 at least.
    cublasLtMatmulHeuristicResult_t result{};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, product_, layouts.weights, layouts.rows, layouts.out,
                                       layouts.out, preference, 1, &result, &found);
    cublasLtMatmulPreferenceDestroy(preference);
    checkBlas(status, "choosing an algorithm");
    if (found == 0) throw std::runtime_error("cuBLASLt has no algorithm for a product of this shape");
    return algorithms_.emplace(shape, result.algo).first->second;
}

void PrefillProduct::run(std::span<const MatrixProduct> products, const ActivationView& x, int firstRow,
                         int rows, cudaStream_t stream) {
    std::vector<MatrixProduct> few;
    for (const MatrixProduct& product : products)
        if (rows <= kFewRows && readsPacked(product, x, firstRow, rows, stream))
            few.push_back(product);
        else
            runUnpacked(product, x, firstRow, rows, stream);
    multiplyFewRows(few, x, firstRow, rows, stream);
    for (const MatrixProduct& product : products)
        if (product.bias != nullptr)
            addBias(product.out, product.outStride, product.bias, rows, product.w.rows, stream);
}

bool PrefillProduct::readsPacked(const MatrixProduct& product, const ActivationView& x, int firstRow,
                                 int rows, cudaStream_t stream) {
    constexpr int kThreads = 256;
    const PackedMatrix& w = product.w;
    if (isPlain(w.type) || !multipliesFewRows()) return false;
    const auto [known, isNew] =
        readsFewPacked_.try_emplace({w.type, w.rows, w.columns, product.outStride}, false);
    const size_t values = static_cast<size_t>(rows) * static_cast<size_t>(w.rows);
    if (!isNew || (values + 1) * sizeof(float) > kWorkspaceBytes) return known->second;
    runUnpacked(product, x, firstRow, rows, stream);
    auto* different = static_cast<unsigned*>(workspace_);
    float* other = static_cast<float*>(workspace_) + 1;
    checkCuda(cudaMemsetAsync(different, 0, sizeof *different, stream), "comparing products");
    const MatrixProduct packed{w, other, w.rows, nullptr};
    multiplyFewRows({&packed, 1}, x, firstRow, rows, stream);
    countDifferent<<<static_cast<unsigned>(ceilDiv(values, size_t{kThreads})), kThreads, 0, stream>>>(
        different, product.out, product.outStride, other, w.rows, rows);
    checkLaunch("countDifferent");
    unsigned found = 0;
    checkCuda(cudaMemcpyAsync(&found, different, sizeof found, cudaMemcpyDeviceToHost, stream),
              "comparing products");
    checkCuda(cudaStreamSynchronize(stream), "comparing products");
    return known->second = found == 0;
}

void PrefillProduct::runUnpacked(const MatrixProduct& product, const ActivationView& x, int firstRow,
                                 int rows, cudaStream_t stream) {
    const PackedMatrix& w = product.w;
    const __nv_bfloat16* input = x.values + static_cast<size_t>(firstRow) * x.width;
    const int slabRows = slabRowsOf(w, slabValues_);
    const float one = 1.0F, zero = 0.0F;
    for (int first = 0; first < w.rows; first += slabRows) {
        const int count = w.rows - first < slabRows ? w.rows - first : slabRows;
        unpackToBf16(slab_, w, first, count, stream);
        const Layouts layouts(count, w.columns, product.outStride, rows);
        checkBlas(cublasLtMatmul(handle_, product_, &one, slab_, layouts.weights, input, layouts.rows, &zero,
                                 product.out + first, layouts.out, product.out + first, layouts.out,
                                 &algorithm({count, w.columns, product.outStride}), workspace_,
                                 kWorkspaceBytes, stream),
                  "product");
    }
}

}  // namespace kernels::detail
