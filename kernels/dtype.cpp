#include "kernels/dtype.h"

#include <array>
#include <bit>

namespace kernels {

const DTypeInfo& dtypeInfo(DType type) {
    static constexpr std::array<DTypeInfo, kDTypeCount> kInfo{{
        {"F32", 1, 4},
        {"F16", 1, 2},
        {"BF16", 1, 2},
        {"Q4_0", 32, 18},
        {"Q4_1", 32, 20},
        {"Q5_0", 32, 22},
        {"Q5_1", 32, 24},
        {"Q8_0", 32, 34},
        {"Q2_K", 256, 84},
        {"Q3_K", 256, 110},
        {"Q4_K", 256, 144},
        {"Q5_K", 256, 176},
        {"Q6_K", 256, 210},
        {"IQ4_NL", 32, 18},
        {"IQ4_XS", 256, 136},
    }};
    return kInfo[static_cast<size_t>(type)];
}

size_t rowBytes(DType type, uint64_t columns) {
    const DTypeInfo& info = dtypeInfo(type);
    return columns / static_cast<uint64_t>(info.blockElements) * static_cast<uint64_t>(info.blockBytes);
}

float halfToFloat(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
    const uint32_t exponent = half >> 10 & 31U, mantissa = half & 1023U;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
    // Subnormal halves are multiples of 2^-24, exact in float.
    const float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-8F;
    return sign != 0 ? -magnitude : magnitude;
}

uint16_t floatToHalf(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
    const uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) return static_cast<uint16_t>(sign | 0x7E00U);   // NaN
    if (magnitude >= 0x477FF000U) return static_cast<uint16_t>(sign | 0x7C00U);  // rounds to infinity
    if (magnitude < 0x38800000U) {
        // Subnormal: adding 2^-14 * 2^10 lets the float unit round to the multiple of 2^-24, to even.
        const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
        return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000U));
    }
    const uint32_t rounded = magnitude + 0xFFFU + (magnitude >> 13 & 1U);
    return static_cast<uint16_t>(sign | (rounded - 0x38000000U) >> 13);
}

}  // namespace kernels
