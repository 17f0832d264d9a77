#include "kernels/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/gumbel.h"
#include "tests/kernels/support/cpu_harness.h"
#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {
namespace {

TEST(Philox, GivesThePublishedKnownAnswers) {
    // Random123 1.14, tests/kat_vectors, "philox4x32 10": first output word for counter and key 0. The other
    // published vectors set the counter's second word, which is always 0 here.
    EXPECT_EQ(philox(0, 0, 0), 0x6627E8D5U);
}

TEST(Gumbel, NoiseHasTheDistributionsMeanAndVariance) {
    constexpr int kDraws = 200000;
    double sum = 0.0, squares = 0.0;
    for (uint32_t token = 0; token < kDraws; ++token) {
        const double noise = gumbelNoise(42, 7, token);
        ASSERT_TRUE(std::isfinite(noise));
        sum += noise;
        squares += noise * noise;
    }
    const double mean = sum / kDraws, variance = squares / kDraws - mean * mean;
    EXPECT_NEAR(mean, 0.5772156649, 0.015);        // Euler's constant; deviation of the mean 0.003
    EXPECT_NEAR(variance, 9.8696044 / 6.0, 0.05);  // pi^2 / 6
}

std::vector<float> randomLogits(size_t count, uint64_t seed) {
    Random random(seed);
    return randomFloats(count, 3.0F, random);
}

int32_t sample(std::vector<float> logits, const SamplingRow& row) {
    return sampleToken(logits, row);
}

/// The filters as their definitions say, on fully sorted probabilities.
std::vector<int32_t> naiveCandidates(const std::vector<float>& logits, const SamplingRow& row) {
    std::vector<int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
        return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    if (row.topK > 0 && static_cast<size_t>(row.topK) < ids.size()) ids.resize(static_cast<size_t>(row.topK));
    std::vector<double> p;
    double total = 0.0;
    for (const int32_t id : ids) {
        p.push_back(std::exp(static_cast<double>(logits[static_cast<size_t>(id)]) -
                             static_cast<double>(logits[static_cast<size_t>(ids[0])])));
        total += p.back();
    }
    if (row.topP < 1.0F) {
        double reached = 0.0;
        size_t kept = 0;
        while (kept < ids.size() && reached < static_cast<double>(row.topP) * total) reached += p[kept++];
        ids.resize(std::max<size_t>(kept, 1));
    }
    std::vector<int32_t> left;
    for (size_t i = 0; i < ids.size(); ++i)
        if (p[i] >= static_cast<double>(row.minP)) left.push_back(ids[i]);
    return left;
}

int32_t naiveSample(const std::vector<float>& logits, const SamplingRow& row) {
    int32_t best = -1;
    double bestValue = 0.0;
    for (const int32_t id : naiveCandidates(logits, row)) {
        const double value =
            static_cast<double>(logits[static_cast<size_t>(id)]) / static_cast<double>(row.temperature) +
            gumbelNoise(row.seed, row.drawIndex, static_cast<uint32_t>(id));
        if (best < 0 || value > bestValue) {
            best = id;
            bestValue = value;
        }
    }
    return best;
}

TEST(Sampling, EveryCombinationOfFiltersDrawsAsItsDefinition) {
    for (const int topK : {0, 1, 5, 100, 3000})
        for (const float topP : {1.0F, 0.95F, 0.5F, 0.01F})
            for (const float minP : {0.0F, 0.02F, 0.3F, 1.0F})
                for (const float temperature : {0.3F, 1.0F, 2.5F})
                    for (uint64_t seed = 0; seed < 4; ++seed) {
                        SamplingRow row;
                        row.topK = topK;
                        row.topP = topP;
                        row.minP = minP;
                        row.temperature = temperature;
                        row.seed = seed;
                        row.drawIndex = seed * 3;
                        const auto logits = randomLogits(2000, seed + 100);
                        ASSERT_EQ(sample(logits, row), naiveSample(logits, row))
                            << "top-k " << topK << ", top-p " << topP << ", min-p " << minP << ", seed "
                            << seed;
                    }
}

TEST(Sampling, TemperatureZeroTakesTheLargestAndTheLowestIdOfEqualOnes) {
    EXPECT_EQ(sample({1.0F, 3.0F, 3.0F, 2.0F}, {}), 1);
    SamplingRow row;
    row.topK = 2;
    row.minP = 0.5F;
    row.topP = 0.1F;
    EXPECT_EQ(sample({-5.0F, -7.0F, -4.0F}, row), 2);
}

TEST(Sampling, PenaltiesDivideGainsMultiplyLossesAndTakePresenceAway) {
    const std::vector<int32_t> seen{0, 2};
    SamplingRow row;
    row.penalised = seen;
    row.repeatPenalty = 2.0F;
    EXPECT_EQ(sample({5.0F, 3.0F, 1.0F}, row), 1);     // 5 -> 2.5
    EXPECT_EQ(sample({-1.0F, -1.5F, -9.0F}, row), 1);  // -1 -> -2
    row.repeatPenalty = 1.0F;
    row.presencePenalty = 2.5F;
    EXPECT_EQ(sample({5.0F, 3.0F, 4.9F}, row), 1);
    EXPECT_EQ(sample({6.0F, 3.0F, 4.9F}, row), 0);
}

/// Upper 1 in 10,000 point of chi-square by Wilson and Hilferty's approximation.
double chiSquareBound(int freedom) {
    const double a = 2.0 / (9.0 * freedom);
    return freedom * std::pow(1.0 - a + 3.719 * std::sqrt(a), 3.0);
}

TEST(Sampling, DrawsFollowTheSoftmaxAtTheTemperature) {
    const std::vector<float> logits{0.0F, 1.0F, -1.0F, 2.0F, 0.5F, -3.0F, 1.5F, 1.5F};
    constexpr int kDraws = 40000;
    for (const float temperature : {0.7F, 1.0F, 1.8F}) {
        std::vector<double> p;
        for (const float logit : logits)
            p.push_back(std::exp(static_cast<double>(logit) / static_cast<double>(temperature)));
        const double total = std::accumulate(p.begin(), p.end(), 0.0);
        std::vector<int> counts(logits.size());
        for (int draw = 0; draw < kDraws; ++draw) {
            SamplingRow row;
            row.temperature = temperature;
            row.seed = 99;
            row.drawIndex = static_cast<uint64_t>(draw);
            ++counts[static_cast<size_t>(sample(logits, row))];
        }
        double chiSquare = 0.0;
        for (size_t i = 0; i < p.size(); ++i) {
            const double expected = p[i] / total * kDraws;
            chiSquare += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        EXPECT_LT(chiSquare, chiSquareBound(static_cast<int>(p.size()) - 1)) << temperature;
    }
}

TEST(Sampling, ADrawIsAFunctionOfSeedAndIndexAloneWhateverRunsBeside) {
    const auto ops = cpuOps(Compute::Int8, detectIsa(), 3);
    constexpr int kVocabulary = 500, kRows = 7;
    std::vector<float> logits;
    std::vector<SamplingRow> rows(kRows);
    for (int r = 0; r < kRows; ++r) {
        const auto row = randomLogits(kVocabulary, static_cast<uint64_t>(r));
        logits.insert(logits.end(), row.begin(), row.end());
        rows[static_cast<size_t>(r)].temperature = 1.5F;
        rows[static_cast<size_t>(r)].topP = 0.9F;
        rows[static_cast<size_t>(r)].seed = static_cast<uint64_t>(r / 2);
        rows[static_cast<size_t>(r)].drawIndex = static_cast<uint64_t>(r % 2);
    }
    const auto given = logits;
    std::vector<int32_t> together(kRows);
    ops->sample(logits.data(), kVocabulary, rows, together);
    for (size_t r = 0; r < kRows; ++r) {
        const auto at = given.begin() + static_cast<std::ptrdiff_t>(r) * kVocabulary;
        EXPECT_EQ(sample({at, at + kVocabulary}, rows[r]), together[r]);
    }
}

TEST(Sampling, AChainOfDrawsIsWhatTheHostWouldDrawOneByOne) {
    const auto ops = cpuOps(Compute::Int8, detectIsa(), 2);
    constexpr int kVocabulary = 60, kDraws = 12;
    for (const float temperature : {0.0F, 0.9F}) {
        std::vector<int32_t> chain(kDraws, -1);
        std::vector<int32_t> known{3, 7};
        for (int draw = 0; draw < kDraws; ++draw) {
            SamplingRow row;
            row.temperature = temperature;
            row.seed = 5;
            row.drawIndex = static_cast<uint64_t>(draw);
            row.repeatPenalty = 1.2F;
            row.presencePenalty = draw % 2 == 0 ? 0.3F : -2.0F;  // the latter makes ids come again
            // Few logits, so that draws repeat; an id in the chain twice, or known too, is penalised once.
            const auto logits = randomLogits(kVocabulary, static_cast<uint64_t>(draw / 4));
            SamplingRow plain = row;
            std::vector<int32_t> distinct = known;
            distinct.insert(distinct.end(), chain.begin(), chain.begin() + draw);
            std::sort(distinct.begin(), distinct.end());
            distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
            plain.penalised = distinct;
            row.penalised = known;
            row.chain = chain.data();
            row.chained = draw;
            auto given = logits;
            ops->draw(given.data(), kVocabulary, {&row, 1});
            ASSERT_EQ(chain[static_cast<size_t>(draw)], sample(logits, plain)) << "draw " << draw;
        }
    }
}

TEST(Sampling, ADrawGoesWhereItIsToldToAndTheChainStays) {
    const auto ops = cpuOps(Compute::Int8, detectIsa(), 1);
    auto logits = randomLogits(60, 3);
    SamplingRow row;
    row.presencePenalty = 100.0F;
    int32_t likeliest = -1;
    ops->sample(std::vector<float>(logits).data(), 60, {&row, 1}, {&likeliest, 1});
    std::array<int32_t, 2> chain{likeliest, -1};
    int32_t drawn = -1;
    row.chain = chain.data();
    row.chained = 1;
    row.drawn = &drawn;
    ops->draw(logits.data(), 60, {&row, 1});
    EXPECT_NE(drawn, -1);
    EXPECT_NE(drawn, likeliest) << "what is chained is penalised";
    EXPECT_EQ(chain[1], -1);
}

TEST(Sampling, DrawsOnlyCandidates) {
    std::vector<float> logits(50, 0.0F);
    logits[45] = 9.0F;
    logits[30] = 5.0F;
    SamplingRow row;
    row.candidates = 40;
    EXPECT_EQ(sample(logits, row), 30);
    row.temperature = 5.0F;
    for (uint64_t seed = 0; seed < 200; ++seed) {
        row.seed = seed;
        EXPECT_LT(sample(logits, row), 40);
    }
}

TEST(Sampling, SeedsAndIndicesAreIndependent) {
    const std::vector<float> flat(1000, 0.0F);
    std::vector<int32_t> drawn;
    for (uint64_t seed = 0; seed < 20; ++seed)
        for (uint64_t index = 0; index < 20; ++index) {
            SamplingRow row;
            row.temperature = 1.0F;
            row.seed = seed << 32;  // the high half of a seed counts too
            row.drawIndex = index;
            drawn.push_back(sample(flat, row));
        }
    std::sort(drawn.begin(), drawn.end());
    const auto distinct = std::unique(drawn.begin(), drawn.end()) - drawn.begin();
    EXPECT_NEAR(static_cast<double>(distinct), 1000.0 * (1.0 - std::pow(0.999, 400)), 35.0);
}

}  // namespace
}  // namespace kernels::testing
