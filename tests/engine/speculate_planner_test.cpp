#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/speculate/acceptance.h"
#include "engine/speculate/draft_planner.h"
#include "engine/speculate/verification.h"

namespace engine {
namespace {

/// Costs of 1, 2, 4, 8 and 16 rows; between them a straight line.
StepCosts costsOf(const std::array<double, 5>& micros) {
    const auto& [one, two, four, eight, sixteen] = micros;
    StepCosts costs;
    costs.set({one, two, (two + four) / 2, four, (four + eight) / 2, eight, (eight + sixteen) / 2, sixteen});
    return costs;
}

/// Costs of a device that a row more costs next to nothing, and of one that computes row by row.
StepCosts cheapRows() {
    return costsOf({100.0, 101.0, 102.0, 104.0, 108.0});
}
StepCosts dearRows() {
    return costsOf({100.0, 200.0, 400.0, 800.0, 1600.0});
}

DraftCandidate ngram(double acceptance, size_t most = 15) {
    DraftCandidate candidate;
    candidate.ngram.acceptance.assign(most, acceptance);
    return candidate;
}

TEST(StepCosts, DrawALineBetweenWhatWasMeasured) {
    StepCosts costs;
    EXPECT_FALSE(costs.isKnown());
    costs = costsOf({10.0, 14.0, 20.0, 40.0, 80.0});
    EXPECT_TRUE(costs.isKnown());
    EXPECT_DOUBLE_EQ(costs.micros(0), 0.0);
    EXPECT_DOUBLE_EQ(costs.micros(1), 10.0);
    EXPECT_DOUBLE_EQ(costs.micros(3), 17.0);
    EXPECT_DOUBLE_EQ(costs.micros(8), 40.0);
    EXPECT_DOUBLE_EQ(costs.micros(20), 100.0);
}

TEST(StepCosts, FollowStepsThatGetSlowerAtEveryRowCount) {
    StepCosts costs = cheapRows();
    for (int step = 0; step < 300; ++step) costs.observePlain(1, 150.0);
    EXPECT_NEAR(costs.micros(1), 150.0, 1.0);
    EXPECT_NEAR(costs.micros(8), 156.0, 1.5);
}

TEST(StepCosts, LearnWhatDraftsCostBesidePlainSteps) {
    StepCosts costs = cheapRows();
    for (int step = 0; step < 300; ++step) costs.observeVerify(8, 1, 220.0);
    EXPECT_NEAR(costs.micros(8), 220.0, 1.0);
    EXPECT_DOUBLE_EQ(costs.micros(1), 100.0) << "a plain step is as cheap as it was";
    for (int step = 0; step < 300; ++step) costs.observeVerify(8, 1, 90.0);
    for (int rows = 2; rows <= 32; ++rows) EXPECT_GE(costs.micros(rows), costs.micros(rows - 1));
}

TEST(StepCosts, AreNotThrownByOneDisturbedStep) {
    StepCosts costs = cheapRows();
    costs.observePlain(1, 100000.0);
    EXPECT_LT(costs.micros(1), 115.0);
    costs.observeVerify(4, 1, 0.0);
    EXPECT_GT(costs.micros(4), 100.0);
}

TEST(DraftPlanner, DraftsLongWhereRowsAreCheapAndGuessesGood) {
    const DraftCandidate candidates[] = {ngram(0.95)};
    const auto choices = planDrafts(candidates, cheapRows(), nullptr, {64});
    EXPECT_EQ(choices[0].source, DraftSource::Ngram);
    EXPECT_GE(choices[0].length, 12);
}

TEST(DraftPlanner, DraftsNothingWhereItDoesNotPay) {
    const DraftCandidate good[] = {ngram(0.95)};
    EXPECT_EQ(planDrafts(good, dearRows(), nullptr, {64})[0].length, 0);
    const DraftCandidate bad[] = {ngram(0.02)};
    EXPECT_EQ(planDrafts(bad, cheapRows(), nullptr, {64})[0].length, 0);
    EXPECT_EQ(planDrafts(good, StepCosts(), nullptr, {64})[0].length, 0) << "costs are unknown";
}

TEST(DraftPlanner, LeavesAModelAloneThatCostsMoreThanItSaves) {
    DraftCandidate candidate;
    candidate.model.acceptance.assign(15, 0.78);
    StepCosts target = costsOf({24.0, 35.0, 47.0, 71.0, 118.0});  // the real pair on two cores
    StepCosts draft = costsOf({11.0, 14.0, 17.0, 25.0, 45.0});
    EXPECT_EQ(planDrafts({&candidate, 1}, target, &draft, {64})[0].length, 0);
    target = costsOf({24.0, 24.2, 24.5, 25.0, 26.0});
    draft = costsOf({4.0, 4.1, 4.2, 4.4, 4.8});
    const auto choices = planDrafts({&candidate, 1}, target, &draft, {64});
    EXPECT_EQ(choices[0].source, DraftSource::Model);
    EXPECT_GE(choices[0].length, 3);
    EXPECT_LE(choices[0].length, 8);
}

TEST(DraftPlanner, AsksTheDrafterThatPromisesMore) {
    DraftCandidate candidate = ngram(0.3);
    candidate.model.acceptance.assign(15, 0.9);
    const StepCosts target = cheapRows();
    const StepCosts draft = costsOf({2.0, 2.0, 2.0, 2.0, 2.0});
    EXPECT_EQ(planDrafts({&candidate, 1}, target, &draft, {64})[0].source, DraftSource::Model);
    candidate.ngram.acceptance.assign(15, 0.95);
    EXPECT_EQ(planDrafts({&candidate, 1}, target, &draft, {64})[0].source, DraftSource::Ngram);
    candidate.ngram.acceptance.assign(15, 0.3);
    candidate.model.extraMicros = 1e6;  // a long prompt to read first
    EXPECT_EQ(planDrafts({&candidate, 1}, target, &draft, {64})[0].source, DraftSource::Ngram);
}

TEST(DraftPlanner, GivesTheRowsOfABatchToTheLikeliestGuesses) {
    const DraftCandidate candidates[] = {ngram(0.1), ngram(0.9), {}, ngram(0.6)};
    const StepCosts target = costsOf({100.0, 100.0, 104.0, 120.0, 170.0});
    const auto choices = planDrafts(candidates, target, nullptr, {64});
    EXPECT_GT(choices[1].length, choices[3].length);
    EXPECT_GE(choices[3].length, choices[0].length);
    EXPECT_EQ(choices[2].length, 0);
    int rows = 0;
    for (const DraftChoice& choice : planDrafts(candidates, target, nullptr, {7})) rows += 1 + choice.length;
    EXPECT_LE(rows, 7);
}

TEST(DraftPlanner, RisksNoMoreThanItMay) {
    DraftCandidate candidates[] = {ngram(0.95)};
    const StepCosts target = costsOf({100.0, 110.0, 120.0, 140.0, 180.0});
    EXPECT_GT(planDrafts(candidates, target, nullptr, {64})[0].length, 7);
    EXPECT_EQ(planDrafts(candidates, target, nullptr, {64, 25.0})[0].length, 3) << "all may fall";
    EXPECT_EQ(planDrafts(candidates, target, nullptr, {64, 5.0})[0].length, 0);
    candidates[0].ngram.surely.assign(15, 0.5);
    EXPECT_GT(planDrafts(candidates, target, nullptr, {64, 5.0})[0].length, 7)
        << "half a token pays for itself";
}

TEST(Acceptance, IsSureOnlyOfWhatTrialsHaveShown) {
    Acceptance none, good, before;
    EXPECT_EQ(none.atLeast(none), 0.0);
    for (int trial = 0; trial < 8; ++trial) good.add(true);
    EXPECT_GT(good.atLeast(none), 0.6);
    EXPECT_LT(good.atLeast(none), 0.85);
    for (int trial = 0; trial < 100; ++trial) before.add(trial % 10 != 0);
    EXPECT_GT(none.atLeast(before), 0.5) << "what other replies showed counts a little";
    EXPECT_LT(none.atLeast(before), 0.8);
    Acceptance bad;
    for (int trial = 0; trial < 30; ++trial) bad.add(false);
    EXPECT_LT(bad.atLeast(before), 0.4);
}

/// Against every combination of lengths: the plan's rate is the best or next to it.
TEST(DraftPlanner, IsAsGoodAsTryingEveryCombination) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> chance(0.05, 0.98), step(0.0, 60.0);
    for (int round = 0; round < 200; ++round) {
        std::array<double, 5> micros{100.0, 0, 0, 0, 0};
        for (size_t i = 1; i < micros.size(); ++i) micros[i] = micros[i - 1] + step(random);
        const StepCosts target = costsOf(micros);
        const double a = chance(random), b = chance(random);
        const DraftCandidate candidates[] = {ngram(a, 7), ngram(b, 7)};
        const auto rate = [&](int first, int second) {
            double tokens = 2.0;
            for (int i = 1; i <= first; ++i) tokens += std::pow(a, i);
            for (int i = 1; i <= second; ++i) tokens += std::pow(b, i);
            return tokens / target.micros(2 + first + second);
        };
        double best = rate(0, 0);
        for (int first = 0; first <= 7; ++first)
            for (int second = 0; second <= 7; ++second)
                if (StepCosts::isUsual(2 + first + second)) best = std::max(best, rate(first, second));
        const auto choices = planDrafts(candidates, target, nullptr, {64});
        EXPECT_GE(rate(choices[0].length, choices[1].length) * kLeastGain, best * 0.9999);
    }
}

TEST(Verification, AcceptsGuessesUpToTheFirstThatTheTargetDidNotDraw) {
    const std::vector<TokenId> draft{5, 6, 7};
    EXPECT_EQ(acceptedLength(draft, std::vector<TokenId>{5, 6, 7, 8}), 3);
    EXPECT_EQ(acceptedLength(draft, std::vector<TokenId>{5, 9, 7, 8}), 1);
    EXPECT_EQ(acceptedLength(draft, std::vector<TokenId>{1, 6, 7, 8}), 0);
    EXPECT_EQ(acceptedLength({}, std::vector<TokenId>{1}), 0);
}

TEST(Verification, LeavesGuessesOnTheDeviceThatOnlyTheDeviceKnows) {
    Sequence sequence;
    sequence.tokens = {1, 2, 3, 4};
    sequence.promptTokens = 3;
    sequence.sampling.presencePenalty = 1.0F;
    sequence.sampling.penaltyWindow = 2;
    std::array<int32_t, 3> guesses{7, 8, 9};
    sequence.draft = {0, 0, 0};
    sequence.draftOnDevice = guesses.data();
    std::vector<kernels::SamplingRow> rows;
    std::vector<std::vector<int32_t>> penalised(4);
    appendSamplingRows(sequence, 3, rows, penalised);
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(penalised[0], (std::vector<int32_t>{3, 4}));
    EXPECT_EQ(penalised[1], (std::vector<int32_t>{4}));
    EXPECT_EQ(rows[1].chain, guesses.data());
    EXPECT_EQ(rows[1].chained, 1);
    EXPECT_EQ(penalised[3], std::vector<int32_t>{});
    EXPECT_EQ(rows[3].chain, guesses.data() + 1) << "the window holds the last two only";
    EXPECT_EQ(rows[3].chained, 2);
    EXPECT_EQ(rows[3].drawIndex, 4u);
}

TEST(Verification, PenalisesAndNumbersEachRowAsAPlainStepWould) {
    Sequence sequence;
    sequence.tokens = {1, 2, 3, 4};
    sequence.promptTokens = 3;
    sequence.sampling.presencePenalty = 1.0F;
    sequence.sampling.penaltyWindow = 3;
    sequence.draft = {7, 8, 9};
    std::vector<kernels::SamplingRow> rows;
    std::vector<std::vector<int32_t>> penalised(3);
    appendSamplingRows(sequence, 2, rows, penalised);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(penalised[0], (std::vector<int32_t>{2, 3, 4}));
    EXPECT_EQ(penalised[1], (std::vector<int32_t>{3, 4, 7}));
    EXPECT_EQ(penalised[2], (std::vector<int32_t>{4, 7, 8}));
    EXPECT_EQ(rows[0].drawIndex, 1u);
    EXPECT_EQ(rows[2].drawIndex, 3u);
}

}  // namespace
}  // namespace engine
