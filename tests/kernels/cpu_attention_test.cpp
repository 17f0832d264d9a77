// Rotation, storing and paged attention of the CPU against double precision, through scattered blocks whose
// unreadable bytes are NaNs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/kernels/support/cpu_harness.h"
#include "tests/kernels/support/paged_batch.h"

namespace kernels::testing {
namespace {

/// Softmax and sums in float over up to two hundred tokens of values near 1.
constexpr double kAttentionTolerance = 2e-5;
constexpr double kRotationTolerance = 2e-6;

struct Case {
    const char* name;
    int heads, kvHeads, keyDim, valueDim;
    KvType type;
    int window;
    float softcap;
    int blockTokens = 16;
};

std::string nameOf(const ::testing::TestParamInfo<Case>& instance) {
    return instance.param.name;
}

KvLayer layerOf(const Case& c) {
    KvLayer layer;
    layer.type = c.type;
    layer.numKvHeads = c.kvHeads;
    layer.keyDim = c.keyDim;
    layer.valueDim = c.valueDim;
    layer.blockTokens = c.blockTokens;
    return layer;
}

/// A decoding row, a prompt's start, a middle chunk, a chunk longer than a part of the work.
const std::vector<PagedSequence> kSequences{{130, 1}, {0, 1}, {0, 19}, {33, 40}, {15, 1}, {16, 2}};

std::vector<double> referenceAttention(PagedBatch& batch, const Case& c, const std::vector<float>& query,
                                       int stride, float scale, int row) {
    const int sequence = batch.sequenceOf(row), position = batch.position(row);
    std::vector<double> out;
    for (int head = 0; head < c.heads; ++head) {
        const int kvHead = head / (c.heads / c.kvHeads);
        const int first = c.window > 0 ? std::max(0, position + 1 - c.window) : 0;
        std::vector<double> scores;
        for (int token = first; token <= position; ++token) {
            const auto key = batch.key(sequence, token, kvHead);
            double score = 0.0;
            for (int k = 0; k < c.keyDim; ++k)
                score += static_cast<double>(query[static_cast<size_t>(row) * stride + head * c.keyDim + k]) *
                         static_cast<double>(key[static_cast<size_t>(k)]);
            score *= static_cast<double>(scale);
            if (c.softcap > 0.0F)
                score = static_cast<double>(c.softcap) * std::tanh(score / static_cast<double>(c.softcap));
            scores.push_back(score);
        }
        const double largest = *std::max_element(scores.begin(), scores.end());
        double total = 0.0;
        std::vector<double> sums(static_cast<size_t>(c.valueDim));
        for (size_t i = 0; i < scores.size(); ++i) {
            const double weight = std::exp(scores[i] - largest);
            total += weight;
            const auto value = batch.value(sequence, first + static_cast<int>(i), kvHead);
            for (size_t k = 0; k < sums.size(); ++k) sums[k] += weight * static_cast<double>(value[k]);
        }
        for (const double sum : sums) out.push_back(sum / total);
    }
    return out;
}

class CpuAttention : public ::testing::TestWithParam<Case> {};

TEST_P(CpuAttention, EqualsTheSoftmaxOverTheStoredTokens) {
    const Case& c = GetParam();
    for (const Isa isa : runnableIsas()) {
        SCOPED_TRACE(toString(isa));
        Random random(11);
        PagedBatch batch(layerOf(c), kSequences, c.window, random);
        batch.fill(random);
        const auto ops = cpuOps(Compute::Float, isa, 2);
        const int stride = c.heads * c.keyDim + 5;
        const auto query = randomFloats(static_cast<size_t>(batch.rowCount()) * stride, 1.5F, random);
        const float scale = 1.0F / std::sqrt(static_cast<float>(c.keyDim));
        const auto out = ops->makeActivations(batch.rowCount(), c.heads * c.valueDim);
        ops->attention(*out, query.data(), stride, batch.layer(), batch.rows(), batch.tables(),
                       {c.heads, scale, c.window, c.softcap});
        for (int row = 0; row < batch.rowCount(); ++row) {
            const auto expected = referenceAttention(batch, c, query, stride, scale, row);
            for (size_t i = 0; i < expected.size(); ++i)
                ASSERT_NEAR(static_cast<double>(cpuActivations(*out).floats(row)[i]), expected[i],
                            kAttentionTolerance)
                    << "row " << row << ", value " << i;
        }
    }
}

TEST_P(CpuAttention, ARowsBitsDoNotDependOnItsCompany) {
    const Case& c = GetParam();
    for (const Isa isa : runnableIsas()) {
        SCOPED_TRACE(toString(isa));
        Random random(12);
        PagedBatch batch(layerOf(c), kSequences, c.window, random);
        batch.fill(random);
        const int width = c.heads * c.keyDim;
        const auto query = randomFloats(static_cast<size_t>(batch.rowCount()) * width, 1.5F, random);
        const AttentionShape shape{c.heads, 0.3F, c.window, c.softcap};
        const auto together = cpuOps(Compute::Float, isa, 3);
        const auto all = together->makeActivations(batch.rowCount(), c.heads * c.valueDim);
        together->attention(*all, query.data(), width, batch.layer(), batch.rows(), batch.tables(), shape);
        const auto alone = cpuOps(Compute::Float, isa);
        const auto one = alone->makeActivations(1, c.heads * c.valueDim);
        for (int row = 0; row < batch.rowCount(); ++row) {
            const StepRows rows = batch.rows();
            const int sequence = batch.sequenceOf(row);
            const int32_t rowStart[] = {0, 1}, context[] = {batch.position(row) + 1};
            StepRows single = rows;
            single.rows = {1, 0};
            single.sequences = 1;
            single.positions = rows.positions + row;
            single.rowStart = rowStart;
            single.contextLength = context;
            single.maxRowsPerSequence = 1;
            BlockTables tables = batch.tables();
            const int32_t start[] = {0, tables.start[sequence + 1] - tables.start[sequence]};
            tables.blocks += tables.start[sequence];
            tables.start = start;
            tables.slots += row;
            alone->attention(*one, query.data() + static_cast<size_t>(row * width), width, batch.layer(),
                             single, tables, shape);
            ASSERT_EQ(std::memcmp(cpuActivations(*one).floats(0), cpuActivations(*all).floats(row),
                                  static_cast<size_t>(c.heads * c.valueDim) * sizeof(float)),
                      0)
                << "row " << row;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuAttention,
                         ::testing::Values(Case{"MhaF32", 3, 3, 64, 64, KvType::F32, 0, 0.0F},
                                           Case{"GqaF16", 6, 2, 64, 64, KvType::F16, 0, 0.0F},
                                           Case{"MqaF16LargeHead", 4, 1, 256, 256, KvType::F16, 0, 0.0F},
                                           Case{"GqaQ8", 4, 2, 64, 64, KvType::Q8_0, 0, 0.0F},
                                           Case{"GqaQ4", 4, 2, 32, 64, KvType::Q4_0, 0, 0.0F},
                                           Case{"WindowOfOne", 2, 1, 64, 64, KvType::F16, 1, 0.0F},
                                           Case{"WindowInABlock", 2, 1, 64, 64, KvType::F16, 7, 0.0F},
                                           Case{"WindowOfBlocks", 4, 2, 64, 64, KvType::F32, 48, 0.0F},
                                           Case{"Softcap", 4, 2, 64, 64, KvType::F32, 0, 5.0F},
                                           Case{"LargeBlocks", 4, 2, 64, 64, KvType::F16, 50, 0.0F, 32},
                                           Case{"OddHeads", 2, 2, 40, 24, KvType::F16, 20, 0.0F}),
                         nameOf);

struct RopeCase {
    const char* name;
    RopePairs pairs;
    int keyDim, dimensions;
    KvType type;
    bool norms;
    float magnitude;
};

std::string ropeNameOf(const ::testing::TestParamInfo<RopeCase>& instance) {
    return instance.param.name;
}

std::vector<double> referenceRotation(const float* head, const RopeCase& c, const float* norm,
                                      const std::vector<float>& frequencies, int position, float epsilon) {
    std::vector<double> x(head, head + c.keyDim);
    if (norm != nullptr) {
        double squares = 0.0;
        for (const double value : x) squares += value * value;
        for (size_t k = 0; k < x.size(); ++k)
            x[k] *=
                static_cast<double>(norm[k]) / std::sqrt(squares / c.keyDim + static_cast<double>(epsilon));
    }
    auto out = x;
    for (int i = 0; i < c.dimensions / 2; ++i) {
        const bool adjacent = c.pairs == RopePairs::Interleaved;
        const auto a = static_cast<size_t>(adjacent ? 2 * i : i);
        const auto b = static_cast<size_t>(adjacent ? 2 * i + 1 : i + c.dimensions / 2);
        const double angle = position * static_cast<double>(frequencies[static_cast<size_t>(i)]);
        const double cosine = std::cos(angle) * static_cast<double>(c.magnitude),
                     sine = std::sin(angle) * static_cast<double>(c.magnitude);
        out[a] = x[a] * cosine - x[b] * sine;
        out[b] = x[a] * sine + x[b] * cosine;
    }
    return out;
}

/// Half a step of the stored form, for a row whose largest magnitude (in its group of 32) is `largest`.
double storedStep(KvType type, double largest) {
    switch (type) {
        case KvType::F32:
            return 0.0;
        case KvType::F16:
            return largest / 2048.0;
        case KvType::Q8_0:
            return largest * (0.5 / 127.0 + 1.0 / 2048.0);
        case KvType::Q4_0:
            return largest * (1.0 / 8.0 + 1.0 / 2048.0);  // the far end of an uneven scale is clipped
    }
    return 0.0;
}

class CpuRopeStore : public ::testing::TestWithParam<RopeCase> {};

TEST_P(CpuRopeStore, RotatesAndStoresEachRowInItsSlotAndNothingElse) {
    const RopeCase& c = GetParam();
    constexpr int kHeads = 4, kKvHeads = 2, kValueDim = 32;
    constexpr float kEpsilon = 1e-5F;
    for (const Isa isa : runnableIsas()) {
        SCOPED_TRACE(toString(isa));
        Random random(21);
        KvLayer shape;
        shape.type = c.type;
        shape.numKvHeads = kKvHeads;
        shape.keyDim = c.keyDim;
        shape.valueDim = kValueDim;
        shape.blockTokens = 16;
        PagedBatch batch(shape, {{30000, 3}, {0, 18}, {31, 1}}, 64, random);
        const int stride = (kHeads + kKvHeads) * c.keyDim + kKvHeads * kValueDim + 1;
        const auto given = randomFloats(static_cast<size_t>(batch.rowCount()) * stride, 1.0F, random);
        auto rows = given;
        const auto queryNorm = randomFloats(static_cast<size_t>(c.keyDim), 1.0F, random);
        const auto keyNorm = randomFloats(static_cast<size_t>(c.keyDim), 1.0F, random);
        std::vector<float> frequencies;
        for (int i = 0; i < c.dimensions / 2; ++i)
            frequencies.push_back(
                std::pow(10000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(c.dimensions)));
        const int keyAt = kHeads * c.keyDim, valueAt = keyAt + kKvHeads * c.keyDim;
        RopeStore args;
        args.query = rows.data();
        args.key = rows.data() + keyAt;
        args.value = rows.data() + valueAt;
        args.queryStride = args.keyStride = args.valueStride = stride;
        args.numHeads = kHeads;
        args.queryNorm = c.norms ? queryNorm.data() : nullptr;
        args.keyNorm = c.norms ? keyNorm.data() : nullptr;
        args.normEpsilon = kEpsilon;
        args.pairs = c.pairs;
        args.dimensions = c.dimensions;
        const auto ops = cpuOps(Compute::Float, isa, 2);
        std::vector<float> rotations(static_cast<size_t>(batch.rowCount() * c.dimensions));
        ops->rotations(rotations.data(), {c.pairs, c.dimensions, frequencies.data(), c.magnitude},
                       batch.rows().positions, batch.rowCount());
        args.rotations = rotations.data();
        ops->ropeStore(args, batch.layer(), batch.rows(), batch.tables());

        auto untouched = batch.bytes();
        const auto forget = [&](std::byte* row, size_t bytes) {
            std::fill_n(untouched.begin() + (row - batch.bytes().data()), bytes, std::byte{0xFF});
        };
        for (int row = 0; row < batch.rowCount(); ++row) {
            const float* before = given.data() + static_cast<size_t>(row * stride);
            for (int head = 0; head < kHeads; ++head) {
                const auto expected = referenceRotation(before + head * c.keyDim, c, args.queryNorm,
                                                        frequencies, batch.position(row), kEpsilon);
                for (int k = 0; k < c.keyDim; ++k)
                    ASSERT_NEAR(
                        static_cast<double>(rows[static_cast<size_t>(row) * stride + head * c.keyDim + k]),
                        expected[static_cast<size_t>(k)],
                        kRotationTolerance * (1.0 + std::abs(expected[static_cast<size_t>(k)])));
            }
            for (int head = 0; head < kKvHeads; ++head) {
                const auto expected = referenceRotation(before + keyAt + head * c.keyDim, c, args.keyNorm,
                                                        frequencies, batch.position(row), kEpsilon);
                const int sequence = batch.sequenceOf(row), token = batch.position(row);
                const auto key = batch.key(sequence, token, head), value = batch.value(sequence, token, head);
                const auto check = [&](double stored, double wanted, double largest) {
                    ASSERT_NEAR(stored, wanted,
                                storedStep(c.type, largest) * 1.001 + kRotationTolerance * (1.0 + largest));
                };
                for (int k = 0; k < c.keyDim; ++k) {
                    double largest = 0.0;
                    for (int i = k / 32 * 32; i < std::min(c.keyDim, k / 32 * 32 + 32); ++i)
                        largest = std::max(largest, std::abs(expected[static_cast<size_t>(i)]));
                    check(static_cast<double>(key[static_cast<size_t>(k)]), expected[static_cast<size_t>(k)],
                          largest);
                }
                const float* values = before + valueAt + head * kValueDim;
                double largest = 0.0;
                for (int k = 0; k < kValueDim; ++k)
                    largest = std::max(largest, std::abs(static_cast<double>(values[k])));
                for (int k = 0; k < kValueDim; ++k)
                    check(static_cast<double>(value[static_cast<size_t>(k)]), static_cast<double>(values[k]),
                          largest);
                forget(batch.keyRow(sequence, token, head), shape.keyRowBytes());
                forget(batch.valueRow(sequence, token, head), shape.valueRowBytes());
            }
        }
        ASSERT_EQ(std::count(untouched.begin(), untouched.end(), std::byte{0xFF}),
                  static_cast<std::ptrdiff_t>(untouched.size()))
            << "stored outside a slot";
    }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, CpuRopeStore,
    ::testing::Values(RopeCase{"InterleavedF32", RopePairs::Interleaved, 64, 64, KvType::F32, false, 1.0F},
                      RopeCase{"HalvesF32", RopePairs::Halves, 64, 64, KvType::F32, false, 1.0F},
                      RopeCase{"HalvesF16Norms", RopePairs::Halves, 128, 128, KvType::F16, true, 1.0F},
                      RopeCase{"PartOfTheHead", RopePairs::Halves, 64, 32, KvType::F32, false, 1.0F},
                      RopeCase{"PartInterleaved", RopePairs::Interleaved, 48, 16, KvType::F16, false, 1.0F},
                      RopeCase{"Magnitude", RopePairs::Interleaved, 64, 64, KvType::F32, true, 1.2F},
                      RopeCase{"Q8", RopePairs::Halves, 64, 64, KvType::Q8_0, false, 1.0F},
                      RopeCase{"Q4", RopePairs::Halves, 64, 64, KvType::Q4_0, true, 1.0F}),
    ropeNameOf);

}  // namespace
}  // namespace kernels::testing
