#include "tests/kernels/support/random_blocks.h"

#include <cstring>

namespace kernels::testing {
namespace {

/// Where a block keeps its scales, and the deviation that random quants give at scale 1. `offset` (a minimum
/// or an added value) is the scale times `offsetRatio`, which centres the values.
struct BlockForm {
    int scaleAt;
    int offsetAt;  ///< -1: none
    float deviation;
    float offsetRatio;
};

BlockForm formOf(DType type) {
    switch (type) {
        case DType::Q4_0:
            return {0, -1, 4.6F, 0.0F};
        case DType::Q4_1:
            return {0, 2, 4.6F, -7.5F};
        case DType::Q5_0:
            return {0, -1, 9.2F, 0.0F};
        case DType::Q5_1:
            return {0, 2, 9.2F, -15.5F};
        case DType::Q8_0:
            return {0, -1, 74.0F, 0.0F};
        case DType::Q2_K:
            return {80, 82, 14.0F, 1.5F};
        case DType::Q3_K:
            return {108, -1, 43.0F, 0.0F};
        case DType::Q4_K:
            return {0, 2, 258.0F, 7.5F};
        case DType::Q5_K:
            return {0, 2, 520.0F, 15.5F};
        case DType::Q6_K:
            return {208, -1, 1366.0F, 0.0F};
        case DType::IQ4_NL:
            return {0, -1, 70.0F, 0.0F};
        case DType::IQ4_XS:
            return {0, -1, 1300.0F, 0.0F};
        default:
            return {-1, -1, 1.0F, 0.0F};
    }
}

void putHalf(std::byte* to, float value) {
    const uint16_t half = floatToHalf(value);
    std::memcpy(to, &half, sizeof half);
}

std::vector<std::byte> quantisedBytes(DType type, size_t blocks, float deviation, Random& random) {
    const auto blockBytes = static_cast<size_t>(dtypeInfo(type).blockBytes);
    const BlockForm form = formOf(type);
    std::vector<std::byte> bytes(blocks * blockBytes);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() & 0xFF);
    for (size_t block = 0; block < blocks; ++block) {
        std::byte* at = bytes.data() + block * blockBytes;
        // Scales differ by up to a half from block to block.
        const float scale =
            deviation / form.deviation * (1.0F + static_cast<float>(random.next() & 0xFF) / 512.0F);
        putHalf(at + form.scaleAt, scale);
        if (form.offsetAt >= 0) putHalf(at + form.offsetAt, scale * form.offsetRatio);
    }
    return bytes;
}

std::vector<std::byte> floatBytes(DType type, size_t count, float deviation, Random& random) {
    const size_t width = type == DType::F32 ? 4 : 2;
    std::vector<std::byte> bytes(count * width);
    for (size_t i = 0; i < count; ++i) {
        const float value = random.bell() * deviation;
        uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        if (type == DType::F16) bits = floatToHalf(value);
        if (type == DType::BF16) bits >>= 16;
        std::memcpy(bytes.data() + i * width, &bits, width);
    }
    return bytes;
}

}  // namespace

std::vector<float> randomFloats(size_t count, float deviation, Random& random) {
    std::vector<float> values(count);
    for (float& value : values) value = random.bell() * deviation;
    return values;
}

std::vector<std::byte> randomElements(DType type, size_t count, float deviation, Random& random) {
    const auto block = static_cast<size_t>(dtypeInfo(type).blockElements);
    return block == 1 ? floatBytes(type, count, deviation, random)
                      : quantisedBytes(type, count / block, deviation, random);
}

}  // namespace kernels::testing
