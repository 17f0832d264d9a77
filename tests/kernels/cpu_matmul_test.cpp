// Matrix products of the CPU against sums in double precision, over every stored type, instruction set and
// odd sizes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/kernels/support/cpu_harness.h"
#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {
namespace {

/// Of the sum of the magnitudes of a product's terms: float sums of up to a thousand terms.
constexpr double kSumTolerance = 2e-6;
/// Of the root mean square of the exact results: what rounding activations to int8 costs.
constexpr double kInt8Tolerance = 0.03;

struct Shape {
    int rows, columns;
};

std::vector<Shape> shapesOf(DType type) {
    const int block = dtypeInfo(type).blockElements;
    if (block == 1) return {{1, 1}, {5, 7}, {16, 32}, {33, 65}, {50, 300}};
    if (block == 32) return {{1, 32}, {15, 64}, {16, 96}, {33, 288}, {70, 576}};
    return {{1, 256}, {17, 512}, {48, 768}, {65, 256}};
}

class Matrix {
  public:
    Matrix(DType type, Shape shape, Random& random)
        : stored_(randomElements(type, static_cast<size_t>(shape.rows * shape.columns), 0.5F, random)),
          host_{type, static_cast<uint64_t>(shape.rows), static_cast<uint64_t>(shape.columns),
                stored_.data()},
          values_(static_cast<size_t>(shape.rows * shape.columns)) {
        for (int row = 0; row < shape.rows; ++row)
            dequantizeRow(type, stored_.data() + static_cast<size_t>(row) * rowBytes(type, host_.columns),
                          values_.data() + static_cast<size_t>(row * shape.columns), host_.columns);
    }
    const HostMatrix& host() const { return host_; }
    const float* row(int index) const { return values_.data() + static_cast<size_t>(index) * host_.columns; }

  private:
    std::vector<std::byte> stored_;
    HostMatrix host_;
    std::vector<float> values_;
};

/// Products of rows, each with a gap of poison after it that must stay.
std::vector<float> multiply(Ops& ops, const Weight& weight, const Activations& x, int rows,
                            const float* bias = nullptr, RowSplit split = {}) {
    const int width = static_cast<int>(weight.rows()), stride = width + 3;
    std::vector<float> padded(static_cast<size_t>(rows * stride), poison());
    const Projection product{&weight, padded.data(), stride, bias};
    ops.matmul({&product, 1}, x, split.total() > 0 ? split : RowSplit{0, rows});
    std::vector<float> out;
    for (int r = 0; r < rows; ++r) {
        const float* row = padded.data() + static_cast<size_t>(r * stride);
        out.insert(out.end(), row, row + width);
        for (int gap = width; gap < stride; ++gap) EXPECT_TRUE(std::isnan(row[gap])) << "wrote past a row";
    }
    return out;
}

void expectSameBits(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

class CpuMatmul : public ::testing::TestWithParam<DType> {
  protected:
    Random random_{17 + static_cast<uint64_t>(GetParam())};
};

TEST_P(CpuMatmul, FloatPathEqualsTheExactSum) {
    for (const Isa isa : runnableIsas())
        for (const Shape shape : shapesOf(GetParam())) {
            SCOPED_TRACE(std::string(toString(isa)) + " " + std::to_string(shape.rows) + "x" +
                         std::to_string(shape.columns));
            const auto ops = cpuOps(Compute::Float, isa);
            const Matrix matrix(GetParam(), shape, random_);
            const auto weight = ops->loadWeight(matrix.host());
            constexpr int kRows = 5;
            const auto inputs = randomFloats(static_cast<size_t>(kRows * shape.columns), 1.0F, random_);
            const auto bias = randomFloats(static_cast<size_t>(shape.rows), 1.0F, random_);
            const auto out =
                multiply(*ops, *weight, *activationsOf(*ops, inputs, shape.columns), kRows, bias.data());
            for (int r = 0; r < kRows; ++r)
                for (int i = 0; i < shape.rows; ++i) {
                    double sum = static_cast<double>(bias[static_cast<size_t>(i)]), size = std::abs(sum);
                    for (int k = 0; k < shape.columns; ++k) {
                        const double term =
                            static_cast<double>(matrix.row(i)[k]) *
                            static_cast<double>(inputs[static_cast<size_t>(r * shape.columns + k)]);
                        sum += term;
                        size += std::abs(term);
                    }
                    ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(r * shape.rows + i)]), sum,
                                kSumTolerance * size + 1e-30)
                        << "row " << r << ", output " << i;
                }
        }
}

TEST_P(CpuMatmul, Int8PathIsExactForTheQuantisedActivations) {
    if (dtypeInfo(GetParam()).blockElements == 1) return;  // float types multiply floats in both modes
    for (const Isa isa : runnableIsas())
        for (const Shape shape : shapesOf(GetParam())) {
            SCOPED_TRACE(std::string(toString(isa)) + " " + std::to_string(shape.rows) + "x" +
                         std::to_string(shape.columns));
            const auto ops = cpuOps(Compute::Int8, isa);
            const Matrix matrix(GetParam(), shape, random_);
            const auto weight = ops->loadWeight(matrix.host());
            constexpr int kRows = 11;
            const auto inputs = randomFloats(static_cast<size_t>(kRows * shape.columns), 1.0F, random_);
            const auto x = activationsOf(*ops, inputs, shape.columns);
            const auto out = multiply(*ops, *weight, *x, kRows);
            for (int r = 0; r < kRows; ++r) {
                const int8_t* quants = cpuActivations(*x).quants(r);
                const detail::ActivationGroup* facts = cpuActivations(*x).facts(r);
                for (int i = 0; i < shape.rows; ++i) {
                    double sum = 0.0, size = 0.0;
                    for (int k = 0; k < shape.columns; ++k) {
                        const double term = static_cast<double>(matrix.row(i)[k]) *
                                            static_cast<double>(facts[k / 32].scale) * quants[k];
                        sum += term;
                        size += std::abs(term);
                    }
                    // Types with minimums add and take away larger terms than their difference.
                    ASSERT_NEAR(static_cast<double>(out[static_cast<size_t>(r * shape.rows + i)]), sum,
                                4.0 * kSumTolerance * size)
                        << "row " << r << ", output " << i;
                }
            }
        }
}

TEST_P(CpuMatmul, Int8ActivationsStayNearTheExactProduct) {
    const Shape shape = shapesOf(GetParam()).back();
    const Matrix matrix(GetParam(), shape, random_);
    const auto inputs = randomFloats(static_cast<size_t>(4 * shape.columns), 1.0F, random_);
    const auto exact = cpuOps(Compute::Float, Isa::Portable), fast = cpuOps(Compute::Int8, detectIsa());
    const auto a =
        multiply(*exact, *exact->loadWeight(matrix.host()), *activationsOf(*exact, inputs, shape.columns), 4);
    const auto b =
        multiply(*fast, *fast->loadWeight(matrix.host()), *activationsOf(*fast, inputs, shape.columns), 4);
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < a.size(); ++i) {
        error += std::pow(static_cast<double>(a[i] - b[i]), 2);
        size += std::pow(static_cast<double>(a[i]), 2);
    }
    EXPECT_LT(std::sqrt(error / size), kInt8Tolerance);
}

TEST_P(CpuMatmul, ARowsBitsDoNotDependOnTheNumberOfRowsTheSplitOrTheThreads) {
    constexpr int kRows = 131;
    for (const Isa isa : runnableIsas())
        for (const Compute compute : {Compute::Int8, Compute::Float}) {
            SCOPED_TRACE(toString(isa));
            const Shape shape = shapesOf(GetParam())[3];
            const auto ops = cpuOps(compute, isa);
            const Matrix matrix(GetParam(), shape, random_);
            const auto weight = ops->loadWeight(matrix.host());
            const auto inputs = randomFloats(static_cast<size_t>(kRows * shape.columns), 1.0F, random_);
            std::vector<float> oneByOne;
            for (int r = 0; r < kRows; ++r) {
                const std::span<const float> row(inputs.data() + static_cast<size_t>(r * shape.columns),
                                                 static_cast<size_t>(shape.columns));
                const auto out = multiply(*ops, *weight, *activationsOf(*ops, row, shape.columns), 1);
                oneByOne.insert(oneByOne.end(), out.begin(), out.end());
            }
            for (const int together : {2, 3, 4, 5, 7, 8, 9, 12, 16, 21, 64, 65, kRows}) {
                std::vector<float> parts;
                for (int r = 0; r < kRows; r += together) {
                    const int count = std::min(together, kRows - r);
                    const std::span<const float> rows(inputs.data() + static_cast<size_t>(r * shape.columns),
                                                      static_cast<size_t>(count * shape.columns));
                    const auto out = multiply(*ops, *weight, *activationsOf(*ops, rows, shape.columns), count,
                                              nullptr, {count / 2, count - count / 2});
                    parts.insert(parts.end(), out.begin(), out.end());
                }
                SCOPED_TRACE(together);
                expectSameBits(parts, oneByOne);
            }
            for (const int threads : {2, 5}) {
                const auto other = cpuOps(compute, isa, threads);
                const auto again = multiply(*other, *other->loadWeight(matrix.host()),
                                            *activationsOf(*other, inputs, shape.columns), kRows);
                SCOPED_TRACE(threads);
                expectSameBits(again, oneByOne);
            }
        }
}

TEST_P(CpuMatmul, SeveralProjectionsOfOneInputEqualEachAlone) {
    const auto ops = cpuOps(Compute::Int8, detectIsa(), 2);
    const int columns = shapesOf(GetParam())[2].columns;
    constexpr int kRows = 3;
    const auto inputs = randomFloats(static_cast<size_t>(kRows * columns), 1.0F, random_);
    const auto x = activationsOf(*ops, inputs, columns);
    const Matrix a(GetParam(), {40, columns}, random_), b(GetParam(), {1, columns}, random_),
        c(GetParam(), {200, columns}, random_);
    const auto wa = ops->loadWeight(a.host()), wb = ops->loadWeight(b.host()), wc = ops->loadWeight(c.host());
    constexpr int kWidth = 241;
    std::vector<float> together(kRows * kWidth, poison());
    const Projection products[] = {{wa.get(), together.data(), kWidth, nullptr},
                                   {wb.get(), together.data() + 40, kWidth, nullptr},
                                   {wc.get(), together.data() + 41, kWidth, nullptr}};
    ops->matmul(products, *x, {0, kRows});
    const auto outA = multiply(*ops, *wa, *x, kRows), outB = multiply(*ops, *wb, *x, kRows),
               outC = multiply(*ops, *wc, *x, kRows);
    for (int r = 0; r < kRows; ++r) {
        const float* row = together.data() + r * kWidth;
        EXPECT_EQ(std::memcmp(row, outA.data() + r * 40, 40 * sizeof(float)), 0);
        EXPECT_EQ(std::memcmp(row + 40, outB.data() + r, sizeof(float)), 0);
        EXPECT_EQ(std::memcmp(row + 41, outC.data() + r * 200, 200 * sizeof(float)), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Types, CpuMatmul, ::testing::ValuesIn(kAllTypes),
                         [](const auto& instance) { return std::string(dtypeInfo(instance.param).name); });

TEST(CpuActivations, RoundToTheNearestOf255LevelsInGroupsOf32) {
    for (const Isa isa : runnableIsas()) {
        SCOPED_TRACE(toString(isa));
        const auto ops = cpuOps(Compute::Int8, isa);
        Random random(3);
        constexpr int kWidth = 320;
        auto values = randomFloats(kWidth, 2.0F, random);
        std::fill_n(values.begin() + 32, 32, 0.0F);       // an empty group
        values[70] = -1000.0F;                            // an outlier
        std::fill_n(values.begin() + 96, 32, 1e-30F);     // tiny but not zero
        std::fill_n(values.begin() + 128, 32, -3.0e38F);  // huge
        const auto x = activationsOf(*ops, values, kWidth);
        for (int group = 0; group < kWidth / 32; ++group) {
            const detail::ActivationGroup& fact = cpuActivations(*x).facts(0)[group];
            int sums[2] = {};
            for (int i = 0; i < 32; ++i) {
                const int quant = cpuActivations(*x).quants(0)[group * 32 + i];
                EXPECT_LE(std::abs(quant), 127);
                sums[i / 16] += quant;
                EXPECT_NEAR(static_cast<double>(fact.scale) * quant,
                            static_cast<double>(values[static_cast<size_t>(group * 32 + i)]),
                            static_cast<double>(fact.scale) * 0.50002);
            }
            EXPECT_EQ(fact.halfSums[0], sums[0]);
            EXPECT_EQ(fact.halfSums[1], sums[1]);
            EXPECT_FLOAT_EQ(fact.scaledSum, fact.scale * static_cast<float>(sums[0] + sums[1]));
        }
    }
}

TEST(CpuOps, TellsOfTooLargeAnAllocation) {
    const auto ops = cpuOps(Compute::Int8, Isa::Portable);
    try {
        (void)ops->allocate(size_t{1} << 62);
        FAIL() << "2^62 bytes were found";
    } catch (const OutOfDeviceMemory& shortage) {
        EXPECT_NE(std::string(shortage.what()).find("MiB"), std::string::npos) << shortage.what();
    }
}

}  // namespace
}  // namespace kernels::testing
