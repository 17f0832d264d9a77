#include <functional>

#include "engine/gguf/gguf_file.h"
#include "engine/runtime/memory_plan.h"
#include "kernels/cpu/cpu_ops.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/pretend_card.h"

/// A card that is too small, that others fill, or that is lost: a clear message, the request fails, the
/// program lives. The card is the CPU, pretending.
namespace engine {
namespace {

using testing::CardMemory;
using testing::EngineDriver;
using testing::Fault;
using testing::PretendCard;
using testing::TinyChatModel;

const TinyChatModel& model() {
    static const TinyChatModel tiny;
    return tiny;
}

struct OnPretendCard {
    CardMemory memory;
    Fault fault;

    EngineOptions options() {
        EngineOptions options = EngineDriver::options(model());
        options.wrapDevice = [this](std::unique_ptr<kernels::Ops> ops) {
            return std::make_unique<PretendCard>(std::move(ops), memory, fault);
        };
        return options;
    }
};

TEST(MemoryPlan, IsWithinFivePercentOfWhatIsTaken) {
    for (const int context : {512, 4096})
        for (const KvType kvType : {KvType::F16, KvType::Q8_0}) {
            OnPretendCard card;
            EngineOptions options = card.options();
            options.contextTokens = context;
            options.kvType = kvType;
            EngineDriver driver(options);
            for (int i = 0; i < 4; ++i)
                driver.engine->submit(EngineDriver::ask("question " + std::to_string(i), 30, 0.8F));
            driver.run(EngineDriver::ask("and one more", 30));
            const EngineStats stats = driver.engine->stats();
            EXPECT_EQ(stats.peakDeviceBytes, card.memory.peak);
            const double share =
                static_cast<double>(card.memory.peak) / static_cast<double>(stats.plannedDeviceBytes);
            EXPECT_GT(share, 0.95) << context;
            EXPECT_LT(share, 1.001) << context << ": only the table of rotations is not counted";
        }
}

TEST(MemoryPlan, ExplainsInWordsAndNumbersWhatDoesNotFit) {
    OnPretendCard card;
    card.memory.freeBytes = size_t{3} << 20;
    card.memory.othersBytes = size_t{5} << 20;
    const auto loaded = Engine::load(card.options());
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::OutOfMemory);
    for (const char* part : {"tiny.gguf needs ", " MiB of weights", "512 tokens of context", "of workspace",
                             "3 MiB of 8 MiB are free (other programs and the driver hold 5 MiB)",
                             "smaller model or context", "or the CPU (--device cpu)"})
        EXPECT_NE(loaded.error().message.find(part), std::string::npos)
            << part << " is not in: " << loaded.error().message;
    EXPECT_EQ(card.memory.allocations, 0) << "nothing is loaded before it is known to fit";
    EngineDriver onCpu(EngineDriver::options(model()));
    EXPECT_EQ(onCpu.run(EngineDriver::ask("hello", 4)).ids.size(), 4U);
}

TEST(MemoryPlan, SaysNothingOfCardsOnTheCpu) {
    EngineOptions options = EngineDriver::options(model());
    options.kvBytes = size_t{1} << 60;
    EXPECT_EQ(Engine::load(options).error().message.find("CPU"), std::string::npos);
}

TEST(DeviceFailure, MemoryThatOthersTakeWhileLoadingIsAnErrorAtEveryAllocation) {
    OnPretendCard roomy;
    { EngineDriver driver(roomy.options()); }
    ASSERT_GT(roomy.memory.allocations, 20);
    for (int after = 0; after < roomy.memory.allocations; ++after) {
        OnPretendCard card;
        card.memory.failAfter = after;
        const auto loaded = Engine::load(card.options());
        ASSERT_FALSE(loaded) << after;
        EXPECT_EQ(loaded.error().code, ErrorCode::OutOfMemory);
        EXPECT_NE(loaded.error().message.find("MiB free"), std::string::npos) << loaded.error().message;
    }
}

TEST(DeviceFailure, ADeviceLostWhileLoadingIsAnErrorThatOffersTheCpu) {
    for (const int calls : {1, 2, 7, 30, 55, 100, 150}) {
        OnPretendCard card;
        card.fault.lostAfter = calls;
        const auto loaded = Engine::load(card.options());
        ASSERT_FALSE(loaded) << calls;
        EXPECT_NE(loaded.error().message.find("device lost"), std::string::npos) << loaded.error().message;
        EXPECT_NE(loaded.error().message.find("the CPU"), std::string::npos) << loaded.error().message;
    }
}

/// The device goes after so many calls, wherever that is: in a batch, while blocks are evicted to host memory
/// or brought back, while a draft is made, while a cancelled reply is kept. Every request ends, nothing
/// throws, and the engine can be taken down.
TEST(DeviceFailure, ADeviceLostAtAnyMomentEndsEveryRequestAndTheEngineLives) {
    int finished = 0, failed = 0, outside = 0;
    for (int round = 0; round < 60; ++round) {
        OnPretendCard card;
        card.fault.runsAhead = round % 2 == 1;
        EngineOptions options = card.options();
        options.kvBytes =
            25 * 16 * 2 * 64 * 2 * sizeof(uint16_t) / 2;  // 25 blocks: others must go to the host
        options.hostCacheBytes = size_t{1} << 20;
        options.speculate = SpeculationMode::Ngram;
        EngineDriver driver(options);
        std::vector<RequestId> ids;
        for (int i = 0; i < 3; ++i) {
            GenerateRequest request =
                EngineDriver::ask("question number " + std::to_string(i % 2) + " again and again", 40, 0.8F);
            request.sampling.seed = static_cast<uint64_t>(round + i);
            ids.push_back(driver.engine->submit(std::move(request)));
        }
        card.fault.lostAfter = 3 + round * round * 2;
        for (int step = 0; step < 30; ++step) driver.step();
        driver.engine->cancel(ids[1]);
        for (int i = 0; i < 6; ++i) {
            ids.push_back(driver.engine->submit(EngineDriver::ask("late " + std::to_string(i), 20)));
            driver.step();
        }
        driver.engine->forgetEverything();
        for (const RequestId id : ids) {
            const auto& outcome = driver.run(id);
            if (outcome.error.empty()) {
                ++finished;
                continue;
            }
            ++failed;
            EXPECT_NE(outcome.error.find("device lost"), std::string::npos) << outcome.error;
            EXPECT_NE(outcome.error.find("the CPU"), std::string::npos) << outcome.error;
            outside += outcome.error.find("load the model again") != std::string::npos ? 1 : 0;
        }
        if (card.fault.lostAfter != 0) continue;
        const auto& after = driver.run(EngineDriver::ask("anybody there?", 4));
        EXPECT_NE(after.error.find("device lost"), std::string::npos);
        EXPECT_EQ(driver.engine->stats().running, 0);
    }
    EXPECT_GT(finished, 20);
    EXPECT_GT(failed, 100);
    EXPECT_GT(outside, 0) << "the loss never met anything but a batch";
}

TEST(DeviceFailure, ScoringOnALostDeviceIsAnError) {
    OnPretendCard card;
    EngineDriver driver(card.options());
    card.fault.lostAfter = 12;
    const auto score = driver.engine->score({1, 2, 3}, 0);
    ASSERT_FALSE(score);
    EXPECT_NE(score.error().message.find("device lost"), std::string::npos);
}

/// Rows of a reply and of a prompt are the same to the CPU.
TEST(Scoring, KindsOfRowsAreOneOnTheCpu) {
    EngineDriver driver(EngineDriver::options(model()));
    const std::vector<TokenId> ids = testing::tinyIds(70, 400, 3);
    const auto prompt = driver.engine->score(ids, 0);
    for (const int rows : {1, 16})
        EXPECT_EQ(driver.engine->score(ids, rows, Engine::ScoreRows::Reply)->nll, prompt->nll) << rows;
}

}  // namespace
}  // namespace engine
