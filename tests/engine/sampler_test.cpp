#include "engine/sampling/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engine {
namespace {

using ::testing::ElementsAre;

TEST(SamplingRow, CarriesEveryParameterAndTheDrawsIndex) {
    SamplingParams params;
    params.temperature = 0.8F;
    params.topK = 40;
    params.topP = 0.9F;
    params.minP = 0.05F;
    params.seed = 99;
    std::vector<int32_t> penalised;
    const kernels::SamplingRow row = samplingRow(params, std::vector<TokenId>{1, 2, 3}, 7, penalised);
    EXPECT_FLOAT_EQ(row.temperature, 0.8F);
    EXPECT_EQ(row.topK, 40);
    EXPECT_FLOAT_EQ(row.topP, 0.9F);
    EXPECT_FLOAT_EQ(row.minP, 0.05F);
    EXPECT_EQ(row.seed, 99U);
    EXPECT_EQ(row.drawIndex, 7U);
    EXPECT_TRUE(row.penalised.empty()) << "without penalties nothing is looked back for";
}

TEST(SamplingRow, PenalisesTheDistinctTokensOfTheWindow) {
    SamplingParams params;
    params.repeatPenalty = 1.1F;
    params.penaltyWindow = 4;
    const std::vector<TokenId> tokens{9, 8, 5, 3, 5, 4};
    std::vector<int32_t> penalised;
    EXPECT_THAT(samplingRow(params, tokens, 0, penalised).penalised, ElementsAre(3, 4, 5));
    params.penaltyWindow = -1;
    EXPECT_THAT(samplingRow(params, tokens, 0, penalised).penalised, ElementsAre(3, 4, 5, 8, 9));
    params.penaltyWindow = 100;
    EXPECT_THAT(samplingRow(params, tokens, 0, penalised).penalised, ElementsAre(3, 4, 5, 8, 9));
    params.penaltyWindow = 0;
    EXPECT_TRUE(samplingRow(params, tokens, 0, penalised).penalised.empty());
}

TEST(SamplingRow, PresencePenaltyAloneAlsoLooksBack) {
    SamplingParams params;
    params.presencePenalty = 0.5F;
    std::vector<int32_t> penalised;
    EXPECT_THAT(samplingRow(params, std::vector<TokenId>{2, 1, 2}, 0, penalised).penalised,
                ElementsAre(1, 2));
}

}  // namespace
}  // namespace engine
