// The row-wise operations of the CPU against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/kernels/support/cpu_harness.h"
#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {
namespace {

/// A few roundings of a float, of values up to about 10.
constexpr double kRowTolerance = 5e-6;

class CpuRows : public ::testing::TestWithParam<Isa> {
  protected:
    std::unique_ptr<Ops> exact_ = cpuOps(Compute::Float, GetParam(), 2);
    Random random_{31};
};

TEST_P(CpuRows, EmbedReadsEachTypesRowsTimesTheScale) {
    for (const DType type : kAllTypes) {
        SCOPED_TRACE(dtypeInfo(type).name);
        const int columns = dtypeInfo(type).blockElements == 1 ? 37 : dtypeInfo(type).blockElements * 2;
        constexpr int kTokens = 9;
        const auto stored = randomElements(type, static_cast<size_t>(kTokens * columns), 1.0F, random_);
        for (const Compute compute : {Compute::Int8, Compute::Float}) {
            const auto ops = cpuOps(compute, GetParam(), 2);
            const auto table =
                ops->loadWeight({type, kTokens, static_cast<uint64_t>(columns), stored.data()});
            const std::vector<int32_t> ids{8, 0, 3, 3};
            std::vector<float> out(ids.size() * static_cast<size_t>(columns) + 1, poison());
            ops->embed(out.data(), *table, ids.data(), 2.5F, static_cast<int>(ids.size()));
            for (size_t r = 0; r < ids.size(); ++r) {
                std::vector<float> row(static_cast<size_t>(columns));
                dequantizeRow(type,
                              stored.data() + static_cast<size_t>(ids[r]) *
                                                  rowBytes(type, static_cast<uint64_t>(columns)),
                              row.data(), row.size());
                for (size_t k = 0; k < row.size(); ++k) ASSERT_EQ(out[r * row.size() + k], row[k] * 2.5F);
            }
            EXPECT_TRUE(std::isnan(out.back()));
        }
    }
}

std::vector<double> rmsNorm(const float* x, int width, const float* weight, double epsilon) {
    double squares = 0.0;
    for (int k = 0; k < width; ++k) squares += static_cast<double>(x[k]) * static_cast<double>(x[k]);
    std::vector<double> out;
    for (int k = 0; k < width; ++k)
        out.push_back(static_cast<double>(x[k]) / std::sqrt(squares / width + epsilon) *
                      static_cast<double>(weight[k]));
    return out;
}

TEST_P(CpuRows, AddNormAddsTheBranchWithOrWithoutItsNormAndNormsTheSum) {
    enum class Form { NoBranch, Branch, NormedBranch };
    constexpr float kEpsilon = 1e-5F;
    for (const int width : {1, 31, 64, 576, 1000})
        for (const Form form : {Form::NoBranch, Form::Branch, Form::NormedBranch}) {
            SCOPED_TRACE(width);
            constexpr int kRows = 5;
            const auto size = static_cast<size_t>(kRows * width);
            auto residual = randomFloats(size, 3.0F, random_);
            std::fill_n(residual.begin(), width, 0.0F);  // a row that epsilon alone keeps finite
            const auto before = residual;
            auto branch = randomFloats(size, 2.0F, random_);
            std::fill_n(branch.begin(), width, 0.0F);
            const auto norm = randomFloats(static_cast<size_t>(width), 1.0F, random_);
            const auto branchNorm = randomFloats(static_cast<size_t>(width), 1.0F, random_);
            const auto out = exact_->makeActivations(kRows, width);
            exact_->addNorm(*out, residual.data(), form == Form::NoBranch ? nullptr : branch.data(),
                            form == Form::NormedBranch ? branchNorm.data() : nullptr, norm.data(), kEpsilon,
                            kRows, width);
            for (int r = 0; r < kRows; ++r) {
                const auto at = static_cast<size_t>(r * width);
                const auto normed =
                    rmsNorm(branch.data() + at, width, branchNorm.data(), static_cast<double>(kEpsilon));
                for (size_t k = 0; k < static_cast<size_t>(width); ++k) {
                    const double added = form == Form::NoBranch ? 0.0
                                         : form == Form::Branch ? static_cast<double>(branch[at + k])
                                                                : normed[k];
                    ASSERT_NEAR(static_cast<double>(residual[at + k]),
                                static_cast<double>(before[at + k]) + added, kRowTolerance * 4.0);
                }
                const auto expected =
                    rmsNorm(residual.data() + at, width, norm.data(), static_cast<double>(kEpsilon));
                for (size_t k = 0; k < expected.size(); ++k)
                    ASSERT_NEAR(static_cast<double>(cpuActivations(*out).floats(r)[k]), expected[k],
                                kRowTolerance * (1.0 + std::abs(expected[k])));
            }
        }
}

TEST_P(CpuRows, GatedFfnActivatesTheGateAndMultipliesByUp) {
    constexpr int kRows = 6, kWidth = 48, kInput = 64;
    for (const GateKind kind : {GateKind::Silu, GateKind::GeluTanh}) {
        // Gates from far below to far above zero.
        const auto gate = randomFloats(kWidth * kInput, 1.5F, random_),
                   up = randomFloats(kWidth * kInput, 0.2F, random_);
        const auto input = randomFloats(kRows * kInput, 1.0F, random_);
        const auto weightOf = [&](const std::vector<float>& values) {
            return exact_->loadWeight(
                {DType::F32, kWidth, kInput, reinterpret_cast<const std::byte*>(values.data())});
        };
        const auto out = exact_->makeActivations(kRows, kWidth);
        std::vector<float> scratch(kRows * 2 * kWidth, poison());
        const auto gateWeight = weightOf(gate), upWeight = weightOf(up);
        exact_->gatedFfn(*out, *gateWeight, *upWeight, *activationsOf(*exact_, input, kInput), kind,
                         scratch.data(), {2, kRows - 2});
        for (int r = 0; r < kRows; ++r)
            for (int i = 0; i < kWidth; ++i) {
                double g = 0.0, u = 0.0;
                for (int k = 0; k < kInput; ++k) {
                    const auto x = static_cast<double>(input[static_cast<size_t>(r * kInput + k)]);
                    g += x * static_cast<double>(gate[static_cast<size_t>(i * kInput + k)]);
                    u += x * static_cast<double>(up[static_cast<size_t>(i * kInput + k)]);
                }
                const double act = kind == GateKind::Silu
                                       ? g / (1.0 + std::exp(-g))
                                       : 0.5 * g *
                                             (1.0 + std::tanh(std::sqrt(2.0 / 3.14159265358979323846) *
                                                              (g + 0.044715 * g * g * g)));
                ASSERT_NEAR(static_cast<double>(cpuActivations(*out).floats(r)[i]), act * u,
                            4.0 * kRowTolerance * (1.0 + std::abs(g * u)))
                    << "gate " << g;
            }
    }
}

TEST_P(CpuRows, OneRowAtATimeGivesTheSameBitsAsManyOnSeveralThreads) {
    constexpr int kRows = 23, kWidth = 320;
    const auto one = cpuOps(Compute::Int8, GetParam()), many = cpuOps(Compute::Int8, GetParam(), 3);
    const auto given = randomFloats(kRows * kWidth, 1.0F, random_),
               norm = randomFloats(kWidth, 1.0F, random_);
    const auto stored = randomElements(DType::Q5_0, kWidth * kWidth, 0.1F, random_);
    const HostMatrix matrix{DType::Q5_0, kWidth, kWidth, stored.data()};
    const auto run = [&](Ops& ops, std::vector<float> residual, int rows) {
        const auto normed = ops.makeActivations(rows, kWidth), gated = ops.makeActivations(rows, kWidth);
        ops.addNorm(*normed, residual.data(), nullptr, nullptr, norm.data(), 1e-6F, rows, kWidth);
        std::vector<float> scratch(static_cast<size_t>(rows * 2 * kWidth));
        const auto gate = ops.loadWeight(matrix);
        ops.gatedFfn(*gated, *gate, *gate, *normed, GateKind::GeluTanh, scratch.data(), {0, rows});
        std::vector<float> out(static_cast<size_t>(rows * kWidth));
        const Projection down{gate.get(), out.data(), kWidth, nullptr};
        ops.matmul({&down, 1}, *gated, {0, rows});
        return out;
    };
    const auto all = run(*many, given, kRows);
    for (int r = 0; r < kRows; ++r) {
        const auto row = run(*one, {given.begin() + r * kWidth, given.begin() + (r + 1) * kWidth}, 1);
        ASSERT_EQ(std::memcmp(row.data(), all.data() + r * kWidth, kWidth * sizeof(float)), 0) << r;
    }
}

TEST_P(CpuRows, GatherPicksRowsInAnyOrder) {
    const auto ops = cpuOps(Compute::Int8, GetParam());
    const auto values = randomFloats(6 * 64, 1.0F, random_);
    const auto from = activationsOf(*ops, values, 64);
    const auto to = ops->makeActivations(4, 64);
    const int32_t index[] = {5, 0, 0, 3};
    ops->gatherRows(*to, *from, index, 4);
    for (int r = 0; r < 4; ++r) {
        EXPECT_EQ(
            std::memcmp(cpuActivations(*to).floats(r), values.data() + index[r] * 64, 64 * sizeof(float)), 0);
        EXPECT_EQ(std::memcmp(cpuActivations(*to).quants(r), cpuActivations(*from).quants(index[r]), 64), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(Isas, CpuRows, ::testing::ValuesIn(runnableIsas()), [](const auto& instance) {
    std::string name = toString(instance.param);
    std::erase_if(name, [](char c) { return c == ' ' || c == '-'; });
    return name;
});

TEST(CpuMemory, BytesGoThereAndBack) {
    const auto ops = cpuOps(Compute::Int8, Isa::Portable);
    const DeviceBuffer a = ops->allocate(1000), b = ops->allocate(1000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 256, 0U);
    Random random(1);
    const auto values = randomFloats(250, 1.0F, random);
    ops->upload(a.data(), values.data(), 1000);
    ops->copy(b.data(), a.data(), 1000);
    std::vector<float> back(250);
    ops->download(back.data(), b.data(), 1000);
    EXPECT_EQ(back, values);
}

}  // namespace
}  // namespace kernels::testing
