#include <gtest/gtest.h>

#include <array>

#include "tests/engine/support/engine_driver.h"

/// Speculation on a card: a draft model's guesses stay there until the target has drawn its own.
namespace engine {
namespace {

using testing::EngineDriver;
using testing::TinyChatModel;
using testing::TinyModel;
using Outcome = EngineDriver::Outcome;

TinyModel shape(int layers) {
    TinyModel shape = testing::tinyChatShape();
    shape.layers = layers;
    return shape;
}

struct OnTheCard {
    TinyChatModel target{shape(3)}, draft{shape(2)};
    EngineOptions options(SpeculationMode mode) const {
        EngineOptions options = EngineDriver::options(target);
        options.device = DeviceChoice::Cuda;
        options.draftModel = draft.path();
        options.speculate = mode;
        return options;
    }
};

std::vector<GenerateRequest> requests(float temperature) {
    const std::array<const char*, 5> questions{
        "the answer to that is the answer to that is the answer to that is the answer to that is",
        "why is the sky blue?", "one two three one two three one two three one two three one two three",
        "a a a a a a a a a a a a a a a a a a a a a a a a a a", "what is the name of the thing?"};
    std::vector<GenerateRequest> all;
    for (size_t i = 0; i < questions.size(); ++i) {
        GenerateRequest request = EngineDriver::ask(questions[i], 90, temperature);
        request.sampling.seed = 11 + i;
        // Penalties make a random model repeat itself, and see guesses that only the card knows.
        if (i % 2 == 0) request.sampling.presencePenalty = temperature > 0.0F ? -6.0F : -2.0F;
        if (i == 1) request.sampling.repeatPenalty = 1.1F;
        if (i == 3) request.sampling.topP = 0.9F;
        request.sampling.penaltyWindow = 12;
        all.push_back(std::move(request));
    }
    return all;
}

struct Case {
    SpeculationMode mode;
    float temperature;
};
class SpeculationOnTheCard : public ::testing::TestWithParam<Case> {};

TEST_P(SpeculationOnTheCard, ChangesNoByteWhileOthersRun) {
    const OnTheCard pair;
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(pair.options(GetParam().mode));
    std::vector<Outcome> without;
    for (GenerateRequest& request : requests(GetParam().temperature))
        without.push_back(plain.run(std::move(request)));
    int drafted = 0, accepted = 0;
    for (int round = 0; round < 3; ++round) {  // recorded steps are replayed from the third time on
        std::vector<RequestId> ids;
        for (GenerateRequest& request : requests(GetParam().temperature))
            ids.push_back(drafting.engine->submit(std::move(request)));
        for (size_t i = 0; i < ids.size(); ++i) {
            const Outcome& outcome = drafting.run(ids[i]);
            EXPECT_EQ(outcome.ids, without[i].ids) << "round " << round << ", request " << i;
            drafted += outcome.stats.draftedTokens;
            accepted += outcome.stats.acceptedTokens;
        }
        drafting.engine->checkIntegrity();
    }
    if (GetParam().mode == SpeculationMode::Auto) return;  // what it drafts is a matter of time
    EXPECT_GT(accepted, 30);
    EXPECT_GT(drafted - accepted, 30);
}

INSTANTIATE_TEST_SUITE_P(
    , SpeculationOnTheCard,
    ::testing::Values(Case{SpeculationMode::Ngram, 0.0F}, Case{SpeculationMode::Ngram, 0.8F},
                      Case{SpeculationMode::Draft, 0.0F}, Case{SpeculationMode::Draft, 0.8F},
                      Case{SpeculationMode::Auto, 0.0F}, Case{SpeculationMode::Auto, 0.8F}),
    [](const auto& test) {
        return std::string(toString(test.param.mode)) +
               (test.param.temperature > 0.0F ? "Sampled" : "Greedy");
    });

/// The draft model on the processor, the target on the card.
TEST(SpeculationOnTwoDevices, ChangesNoByte) {
    const OnTheCard pair;
    EngineOptions apart = pair.options(SpeculationMode::Draft);
    apart.draftDevice = DeviceChoice::Cpu;
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(apart);
    int accepted = 0;
    for (const GenerateRequest& request : requests(0.8F)) {
        const Outcome expected = plain.run(request);
        const Outcome& outcome = drafting.run(request);
        EXPECT_EQ(outcome.ids, expected.ids);
        accepted += outcome.stats.acceptedTokens;
    }
    EXPECT_GT(accepted, 10);
}

}  // namespace
}  // namespace engine
