// Products and embeddings of every weight type on the GPU against the CPU's float path. Needs a card;
// tests/gpu/run says how.
#include "tests/kernels/gpu/cuda_harness.h"

namespace kernels::testing {
namespace {

class MatmulTest : public ::testing::TestWithParam<DType> {};

TEST_P(MatmulTest, DecodeRowsMatchTheCpuForEveryRowCountAndOddShape) {
    const bool isPlain = dtypeInfo(GetParam()).blockElements == 1;
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    for (const auto& [height, blocks] : {std::pair{1, 1}, {16, 2}, {33, 3}, {250, 7}, {1000, 5}}) {
        const StoredMatrix matrix(GetParam(), height, blocks * block);
        for (const int rows : {1, 2, 7, 8, 9, 16, 17, 40}) {
            const auto input = floats(static_cast<size_t>(rows * blocks * block));
            const auto bias = floats(static_cast<size_t>(height), 0.1F);
            // A handful of results strays further from the mean than many do.
            const double few = height * rows < 100 ? 10.0 : 1.0;
            EXPECT_LT(relativeError(product(gpu(), matrix, input, {rows, 0}, &bias),
                                    product(cpu(), matrix, input, {rows, 0}, &bias), 0.5),
                      few * (isPlain ? kBf16Tolerance : kInt8Tolerance))
                << dtypeInfo(GetParam()).name << ' ' << height << 'x' << blocks * block << ", " << rows
                << " rows";
        }
    }
}

TEST_P(MatmulTest, PrefillRowsMatchTheCpu) {
    const bool isPlain = dtypeInfo(GetParam()).blockElements == 1;
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    for (const auto& [height, blocks] : {std::pair{33, 3}, {250, 7}, {1000, 8}, {9000, 2}}) {
        const StoredMatrix matrix(GetParam(), height, blocks * block);
        for (const int rows : {1, 5, 64, 200}) {
            const auto input = floats(static_cast<size_t>(rows * blocks * block));
            const auto bias = floats(static_cast<size_t>(height), 0.1F);
            EXPECT_LT(relativeError(product(gpu(), matrix, input, {0, rows}, &bias),
                                    product(cpu(), matrix, input, {0, rows}, &bias)),
                      isPlain ? kBf16Tolerance : kUnpackedTolerance)
                << dtypeInfo(GetParam()).name << ' ' << height << 'x' << blocks * block << ", " << rows
                << " rows";
        }
    }
}

/// Matrices so large that a block has no registers to read ahead with (more than three row tiles a
/// multiprocessor), and so few rows that one block has all.
TEST_P(MatmulTest, TallMatricesMatchTheCpu) {
    const bool isPlain = dtypeInfo(GetParam()).blockElements == 1;
    const int width = 2 * std::max(32, dtypeInfo(GetParam()).blockElements), height = 8009;
    const StoredMatrix matrix(GetParam(), height, width);
    for (const RowSplit rows : {RowSplit{1, 0}, {5, 0}, {11, 0}, {18, 3}}) {
        const auto input = floats(static_cast<size_t>(rows.total() * width));
        EXPECT_LT(
            relativeError(product(gpu(), matrix, input, rows), product(cpu(), matrix, input, rows), 0.5),
            isPlain ? kBf16Tolerance : kInt8Tolerance)
            << rows.decode << '+' << rows.prefill;
    }
}

TEST_P(MatmulTest, ARowIsTheSameBytesInAnyCompany) {
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    const int width = 9 * block, height = 200, most = 40;
    const StoredMatrix matrix(GetParam(), height, width);
    const auto input = floats(static_cast<size_t>(most * width));
    const auto all = product(gpu(), matrix, input, {most, 0});
    for (const int rows : {1, 3, 8, 11, 16, 25}) {
        const std::vector<float> fewer(input.begin(), input.begin() + rows * width);
        const auto some = product(gpu(), matrix, fewer, {rows, 0});
        EXPECT_EQ(0, std::memcmp(some.data(), all.data(), some.size() * sizeof(float))) << rows << " rows";
    }
    const auto prompt = product(gpu(), matrix, input, {0, most});
    for (const int rows : {1, 16, 33}) {
        const std::vector<float> fewer(input.begin(), input.begin() + rows * width);
        const auto chunk = product(gpu(), matrix, fewer, {0, rows});
        EXPECT_EQ(0, std::memcmp(chunk.data(), prompt.data(), chunk.size() * sizeof(float)))
            << "a prompt chunk of " << rows;
    }
    const auto mixed = product(gpu(), matrix, input, {5, most - 5});
    EXPECT_EQ(0, std::memcmp(mixed.data(), all.data(), static_cast<size_t>(5 * height) * sizeof(float)));
    EXPECT_EQ(0, std::memcmp(mixed.data() + 5 * height, prompt.data() + 5 * height,
                             static_cast<size_t>((most - 5) * height) * sizeof(float)));
}

TEST_P(MatmulTest, EmbeddingRowsAreExact) {
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    const StoredMatrix matrix(GetParam(), 61, 3 * block);
    const std::vector<int32_t> ids{0, 60, 7, 7, 33};
    const size_t count = ids.size() * static_cast<size_t>(3 * block);
    const auto rowsOf = [&](Ops& ops) {
        const auto table = ops.loadWeight(matrix.host);
        const DeviceBuffer out = poisoned(ops, count), at = onDevice(ops, ids);
        ops.embed(out.as<float>(), *table, at.as<int32_t>(), 1.5F, static_cast<int>(ids.size()));
        return read(ops, out, count);
    };
    EXPECT_LT(relativeError(rowsOf(gpu()), rowsOf(cpu())), kFloatTolerance);
}

/// Few rows read the packed matrix from the second time on, many read it unpacked. Matrices of a few row
/// tiles for each multiprocessor go another way than those of many; their last span may be cut short, too.
TEST_P(MatmulTest, AFewPromptRowsAreTheBytesOfMany) {
    constexpr int kMost = 150;
    const int cut = 2304 + std::max(32, dtypeInfo(GetParam()).blockElements);
    for (const auto& [height, width] :
         {std::pair{600, 2304}, {600, cut}, {4100, 512}, {9000, 512}, {9000, cut}}) {
        const StoredMatrix matrix(GetParam(), height, width);
        const auto input = floats(static_cast<size_t>(kMost) * static_cast<size_t>(width));
        const auto all = product(gpu(), matrix, input, {0, kMost});
        for (const int count : {1, 3, 9, 17, 32, 33, 64}) {
            const std::vector<float> fewer(input.begin(), input.begin() + count * width);
            const auto some = product(gpu(), matrix, fewer, {0, count});
            EXPECT_EQ(0, std::memcmp(some.data(), all.data(), some.size() * sizeof(float)))
                << height << 'x' << width << ", " << count << " rows";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(EveryType, MatmulTest, ::testing::ValuesIn(kAllTypes),
                         [](const auto& type) { return std::string(dtypeInfo(type.param).name); });

/// Prefill unpacks a matrix of more than half a million values for each multiprocessor in several slabs.
TEST(PrefillSlabs, MatchTheCpuAndEveryChunk) {
    for (const DType type : {DType::Q4_K, DType::Q8_0, DType::F16}) {
        const int width = 4096, height = 20011, rows = 70;
        const StoredMatrix matrix(type, height, width);
        const auto input = floats(static_cast<size_t>(rows) * width);
        const auto all = product(gpu(), matrix, input, {0, rows});
        EXPECT_LT(relativeError(all, product(cpu(), matrix, input, {0, rows})), kUnpackedTolerance)
            << dtypeInfo(type).name;
        const std::vector<float> fewer(input.begin(), input.begin() + 3 * width);
        const auto some = product(gpu(), matrix, fewer, {0, 3});
        EXPECT_EQ(0, std::memcmp(some.data(), all.data(), some.size() * sizeof(float)))
            << dtypeInfo(type).name;
    }
}

}  // namespace
}  // namespace kernels::testing
