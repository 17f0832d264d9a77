#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

#include "tests/engine/support/engine_driver.h"

/// Speculation with a real pair, a 0.5B model that guesses for a 1.5B one. Needs $ALCOVE_MODELS.
namespace engine {
namespace {

using testing::EngineDriver;
using Outcome = EngineDriver::Outcome;

std::filesystem::path model(const std::string& name) {
    const char* folder = std::getenv("ALCOVE_MODELS");
    if (folder == nullptr) throw std::runtime_error("set ALCOVE_MODELS to the folder with the models");
    return std::filesystem::path(folder) / name;
}

EngineOptions pair() {
    EngineOptions options;
    options.model = model("qwen-target.gguf");
    options.draftModel = model("qwen-draft.gguf");
    options.device = DeviceChoice::Cpu;
    options.contextTokens = 1024;
    return options;
}

struct Asked {
    std::string question;
    float temperature;
    float presencePenalty;
};

const std::array<Asked, 8>& questions() {
    static const std::array<Asked, 8> all{
        {{"Write a C++ class template for a ring buffer with push and pop.", 0.0F, 0.0F},
         {"Write a C++ class template for a ring buffer with push and pop.", 0.8F, 0.0F},
         {"Copy this paragraph without any change:\n\nThe ferry left at six in the morning, and because the "
          "timetable had been printed in another year, it left at seven as well.",
          0.0F, 0.0F},
         {"Copy this paragraph without any change:\n\nThe ferry left at six in the morning, and because the "
          "timetable had been printed in another year, it left at seven as well.",
          0.8F, 0.0F},
         {"Tell a short story about a lighthouse keeper who finds a letter.", 0.8F, 0.0F},
         {"Tell a short story about a lighthouse keeper who finds a letter.", 0.8F, 0.7F},
         {"List the prime numbers below sixty.", 0.0F, 0.0F},
         {"Translate into German: the sky is blue, and the sea is bluer.", 0.8F, 0.3F}}};
    return all;
}

GenerateRequest request(size_t index, SpeculationMode mode) {
    const Asked& asked = questions()[index];
    GenerateRequest request = EngineDriver::ask(asked.question, 48, asked.temperature);
    request.sampling.seed = 100 + index;
    request.sampling.presencePenalty = asked.presencePenalty;
    request.sampling.topP = index % 2 == 0 ? 1.0F : 0.95F;
    request.speculate = mode;
    return request;
}

TEST(RealPair, WritesTheSameBytesInEveryModeWithOtherChatsRunning) {
    EngineDriver driver(pair());
    std::vector<Outcome> plain;
    for (size_t i = 0; i < questions().size(); ++i)
        plain.push_back(driver.run(request(i, SpeculationMode::Off)));
    for (const SpeculationMode mode :
         {SpeculationMode::Ngram, SpeculationMode::Draft, SpeculationMode::Auto}) {
        std::vector<RequestId> ids;
        for (size_t i = 0; i < questions().size(); ++i)
            ids.push_back(driver.engine->submit(request(i, mode)));
        int drafted = 0, accepted = 0;
        for (size_t i = 0; i < ids.size(); ++i) {
            const Outcome& outcome = driver.run(ids[i]);
            EXPECT_EQ(outcome.ids, plain[i].ids) << toString(mode) << ", question " << i;
            EXPECT_EQ(outcome.text, plain[i].text);
            EXPECT_EQ(outcome.reason, plain[i].reason);
            drafted += outcome.stats.draftedTokens;
            accepted += outcome.stats.acceptedTokens;
        }
        driver.engine->checkIntegrity();
        if (mode == SpeculationMode::Auto) continue;  // what it drafts is a matter of time
        EXPECT_GT(accepted, 30) << toString(mode);
        EXPECT_GT(drafted - accepted, 10) << toString(mode);
    }
}

TEST(RealPair, OfStrangersIsRefusedWithTheReason) {
    EngineOptions options = pair();
    options.draftModel = model("smollm2.gguf");
    const auto refused = Engine::load(options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::Unsupported);
    EXPECT_NE(refused.error().message.find("smollm2.gguf"), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("tokenizer"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace engine
