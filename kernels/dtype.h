#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kernels {

/// Element types of stored tensors. Quantised types hold blocks of `blockElements` consecutive elements of a
/// row in `blockBytes` bytes, in the byte layout that GGUF files use (ggml's block structs).
enum class DType : uint8_t {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
};
inline constexpr int kDTypeCount = 15;

struct DTypeInfo {
    std::string_view name;  ///< as GGUF tools print it, e.g. "Q4_K"
    int blockElements;      ///< 1 for the float types
    int blockBytes;
};

/// Facts about a type; constant time, any thread.
const DTypeInfo& dtypeInfo(DType type);

/// Bytes of one row of `columns` elements; `columns` must be a multiple of the type's block.
size_t rowBytes(DType type, uint64_t columns);

/// Writes `columns` floats from one stored row. The scalar reference for every faster path and the only
/// definition of what a stored block means. `row` needs no alignment. Any thread.
void dequantizeRow(DType type, const std::byte* row, float* out, uint64_t columns);

float halfToFloat(uint16_t half);
uint16_t floatToHalf(float value);  ///< round to nearest even

}  // namespace kernels
