#include "kernels/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {
namespace {

/// IEEE 754 binary16 from its definition.
double halfValue(int bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, EveryFiniteHalfReadsAsItsDefinition) {
    for (int bits = 0; bits < 65536; ++bits) {
        if ((bits >> 10 & 31) == 31) continue;
        const float value = halfToFloat(static_cast<uint16_t>(bits));
        ASSERT_EQ(static_cast<double>(value), halfValue(bits)) << bits;
        ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
        ASSERT_EQ(floatToHalf(value), bits);
    }
}

TEST(Half, InfinitiesAndNansSurvive) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(halfToFloat(0x7C00), kInfinity);
    EXPECT_EQ(halfToFloat(0xFC00), -kInfinity);
    EXPECT_EQ(floatToHalf(kInfinity), 0x7C00);
    EXPECT_EQ(floatToHalf(-kInfinity), 0xFC00);
    EXPECT_TRUE(std::isnan(halfToFloat(0x7E01)));
    EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, FloatsRoundToTheNearestHalfAndTiesToTheEvenOne) {
    for (int bits = 0; bits < 0x7BFF; ++bits) {
        const double low = halfValue(bits), high = halfValue(bits + 1);
        const auto middle = static_cast<float>((low + high) / 2.0);  // exact: one more bit than a half has
        ASSERT_EQ(floatToHalf(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
        ASSERT_EQ(floatToHalf(std::nextafter(middle, 0.0F)), bits) << bits;
        ASSERT_EQ(floatToHalf(std::nextafter(middle, 1e9F)), bits + 1) << bits;
        ASSERT_EQ(floatToHalf(-std::nextafter(middle, 0.0F)), bits | 0x8000) << bits;
    }
    EXPECT_EQ(floatToHalf(65519.0F), 0x7BFF);
    EXPECT_EQ(floatToHalf(65520.0F), 0x7C00);
    EXPECT_EQ(floatToHalf(3.0e38F), 0x7C00);
    EXPECT_EQ(floatToHalf(1e-40F), 0);
}

TEST(Dequantize, FloatTypesReadExactly) {
    const float values[] = {0.0F, -1.5F, 3.0e-5F, 65504.0F, 1.0F / 3.0F};
    for (const float value : values) {
        float out = 0.0F;
        dequantizeRow(DType::F32, reinterpret_cast<const std::byte*>(&value), &out, 1);
        EXPECT_EQ(out, value);
        const uint16_t half = floatToHalf(value);
        dequantizeRow(DType::F16, reinterpret_cast<const std::byte*>(&half), &out, 1);
        EXPECT_EQ(out, halfToFloat(half));
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        const auto brain = static_cast<uint16_t>(bits >> 16);
        dequantizeRow(DType::BF16, reinterpret_cast<const std::byte*>(&brain), &out, 1);
        const uint32_t widened = static_cast<uint32_t>(brain) << 16;
        EXPECT_EQ(std::memcmp(&out, &widened, 4), 0);
    }
}

TEST(Dequantize, RowsNeedNoAlignment) {
    for (int type = 0; type < kDTypeCount; ++type) {
        const auto dtype = static_cast<DType>(type);
        Random random(5);
        const auto bytes = randomElements(dtype, 512, 1.0F, random);
        std::vector<std::byte> shifted(bytes.size() + 1);
        std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
        std::vector<float> a(512), b(512);
        dequantizeRow(dtype, bytes.data(), a.data(), 512);
        dequantizeRow(dtype, shifted.data() + 1, b.data(), 512);
        EXPECT_EQ(a, b) << dtypeInfo(dtype).name;
    }
}

TEST(Dtype, ARowTakesItsBlocksBytes) {
    EXPECT_EQ(rowBytes(DType::F32, 7), 28U);
    EXPECT_EQ(rowBytes(DType::BF16, 7), 14U);
    EXPECT_EQ(rowBytes(DType::Q4_0, 64), 36U);
    EXPECT_EQ(rowBytes(DType::Q6_K, 512), 420U);
    EXPECT_EQ(rowBytes(DType::IQ4_XS, 256), 136U);
}

}  // namespace
}  // namespace kernels::testing
