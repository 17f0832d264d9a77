#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/dtype.h"

namespace kernels::testing {
namespace {

/// One or two rounding steps of a float: scale times quant, less a minimum, in whatever order.
constexpr float kRelativeTolerance = 3e-7F;

DType typeNamed(const std::string& name) {
    for (int type = 0; type < kDTypeCount; ++type)
        if (dtypeInfo(static_cast<DType>(type)).name == name) return static_cast<DType>(type);
    ADD_FAILURE() << "no type " << name;
    return DType::F32;
}

TEST(Dequantize, EqualsTheGgufPackageOnRandomBlocks) {
    std::ifstream file(std::string(ALCOVE_TEST_DATA) + "/data/kernels/dequantize.txt");
    ASSERT_TRUE(file.is_open());
    std::string line, hex, words;
    std::getline(file, line);  // the comment
    int types = 0;
    while (std::getline(file, line) && std::getline(file, hex) && std::getline(file, words)) {
        SCOPED_TRACE(line);
        ++types;
        const DType type = typeNamed(line);
        std::vector<std::byte> bytes(hex.size() / 2);
        for (size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::byte>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
        std::vector<float> expected;
        std::istringstream stream(words);
        for (std::string word; stream >> word;)
            expected.push_back(std::bit_cast<float>(static_cast<uint32_t>(std::stoul(word, nullptr, 16))));
        const auto blocks = bytes.size() / static_cast<size_t>(dtypeInfo(type).blockBytes);
        ASSERT_EQ(expected.size(), blocks * static_cast<size_t>(dtypeInfo(type).blockElements));
        std::vector<float> values(expected.size());
        dequantizeRow(type, bytes.data(), values.data(), values.size());
        float largest = 0.0F;
        for (const float value : expected) largest = std::max(largest, std::abs(value));
        for (size_t i = 0; i < values.size(); ++i)
            ASSERT_NEAR(values[i], expected[i], kRelativeTolerance * largest) << "element " << i;
    }
    EXPECT_EQ(types, 12);
}

}  // namespace
}  // namespace kernels::testing
