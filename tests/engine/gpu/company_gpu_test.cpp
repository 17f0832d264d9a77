#include <gtest/gtest.h>

#include <cstring>

#include "kernels/cuda_plugin.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/model_runner.h"
#include "tests/kernels/support/random_blocks.h"

/// On a card a sequence's logits, text and KV are the same bytes alone and in any company, and for every
/// chunking of its prompt. Needs a card; tests/gpu/run says how.
namespace engine {
namespace {

using kernels::DType;
using testing::EngineDriver;
using testing::ModelRunner;
using testing::TinyChatModel;
using testing::TinyModel;

struct Case {
    const char* name;
    const char* architecture = "llama";
    int heads = 4, kvHeads = 2, headDim = 64;
    DType dtype = DType::Q4_K;
    KvType kvType = KvType::F16;
    int window = 0, layers = 2;
};

TinyModel shapeOf(const Case& c) {
    TinyModel shape;
    shape.architecture = c.architecture;
    shape.dtype = c.dtype;
    shape.heads = c.heads;
    shape.kvHeads = c.kvHeads;
    shape.headDim = c.headDim;
    shape.window = c.window;
    shape.layers = c.layers;
    return shape;
}

const Case kCases[] = {
    {"Mha", "llama", 4, 4, 64, DType::Q4_K},
    {"Gqa", "llama", 4, 2, 64, DType::Q6_K},
    {"GqaOfNine", "llama", 9, 3, 64, DType::Q4_1},
    {"Mqa", "llama", 4, 1, 128, DType::Q8_0, KvType::Q8_0},
    {"MqaOfSixteen", "qwen2", 16, 1, 64, DType::Q5_K, KvType::Q4_0},
    {"Qwen3", "qwen3", 4, 2, 128, DType::IQ4_XS},
    {"Windows", "gemma3", 4, 2, 64, DType::Q4_0, KvType::F16, 20, 7},
    {"WindowsOfBytes", "gemma3", 4, 1, 96, DType::F16, KvType::Q8_0, 33, 6},
};

class CompanyOnTheCard : public ::testing::TestWithParam<Case> {
  protected:
    static constexpr int kSequences = 16, kSteps = 4;

    CompanyOnTheCard() : shape_(shapeOf(GetParam())) {
        options_.makeDevice = kernels::makeCudaOps;
        options_.kvType = GetParam().kvType;
        options_.scatterBlocks = true;
    }

    /// Prompts of mixed lengths, then the ids that each sequence goes on with.
    std::vector<int32_t> promptOf(int sequence) const {
        constexpr int kLengths[] = {1, 200, 16, 37, 64, 15, 130, 2, 17, 90, 48, 5, 33, 71, 128, 11};
        return testing::tinyIds(kLengths[sequence], shape_.vocabulary, static_cast<uint64_t>(sequence) + 50);
    }
    int32_t nextOf(int sequence, int step) const {
        return testing::tinyIds(kSteps, shape_.vocabulary,
                                static_cast<uint64_t>(sequence) + 900)[static_cast<size_t>(step)];
    }
    std::vector<float> rowOf(const std::vector<float>& logits, size_t row) const {
        const auto width = static_cast<std::ptrdiff_t>(shape_.vocabulary);
        const auto from = logits.begin() + static_cast<std::ptrdiff_t>(row) * width;
        return {from, from + width};
    }
    static bool sameBytes(const std::vector<float>& a, const std::vector<float>& b) {
        return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
    }

    /// [sequence][step] as a sequence's logits are when nothing else runs.
    std::vector<std::vector<std::vector<float>>> alone() const {
        std::vector<std::vector<std::vector<float>>> all;
        ModelRunner runner(shape_, options_);
        for (int s = 0; s < kSequences; ++s) {
            runner.step({{s, promptOf(s)}});
            all.emplace_back();
            for (int step = 0; step < kSteps; ++step)
                all.back().push_back(runner.step({{s, {nextOf(s, step)}, true}}));
        }
        return all;
    }

    TinyModel shape_;
    testing::RunnerOptions options_;
};

TEST_P(CompanyOnTheCard, LogitsAreTheSameBytesAmongOneToSixteenRows) {
    const auto expected = alone();
    for (const auto& steps : expected)
        for (const float logit : steps.front()) ASSERT_TRUE(std::isfinite(logit));
    for (int count = 1; count <= kSequences; ++count) {
        ModelRunner runner(shape_, options_);
        // All prompts in one step, the last ones first, so that the rows of a sequence move about.
        std::vector<ModelRunner::Piece> prompts;
        for (int s = 0; s < count; ++s) prompts.push_back({s, promptOf((s + 16 - count) % 16)});
        runner.step(prompts);
        for (int step = 0; step < kSteps; ++step) {
            std::vector<ModelRunner::Piece> rows;
            for (int s = 0; s < count; ++s) rows.push_back({s, {nextOf((s + 16 - count) % 16, step)}, true});
            const auto logits = runner.step(rows);
            for (int s = 0; s < count; ++s) {
                const auto& one =
                    expected[static_cast<size_t>((s + 16 - count) % 16)][static_cast<size_t>(step)];
                ASSERT_TRUE(sameBytes(rowOf(logits, static_cast<size_t>(s)), one))
                    << "row " << s << " of " << count << ", step " << step;
            }
        }
    }
}

TEST_P(CompanyOnTheCard, VerifyRowsHaveTheLogitsOfOneAfterTheOther) {
    const auto expected = alone();
    ModelRunner runner(shape_, options_);
    for (const int s : {1, 4, 6}) runner.step({{s, promptOf(s)}});
    std::vector<ModelRunner::Piece> pieces;
    for (const int s : {1, 4, 6}) {
        ModelRunner::Piece piece{s, {}, true};
        for (int step = 0; step < kSteps; ++step) piece.ids.push_back(nextOf(s, step));
        pieces.push_back(piece);
    }
    const auto logits = runner.step(pieces);
    size_t row = 0;
    for (const int s : {1, 4, 6})
        for (int step = 0; step < kSteps; ++step, ++row)
            EXPECT_TRUE(
                sameBytes(rowOf(logits, row), expected[static_cast<size_t>(s)][static_cast<size_t>(step)]))
                << "sequence " << s << ", step " << step;
}

TEST_P(CompanyOnTheCard, APromptsKvIsTheSameBytesForEveryChunking) {
    kernels::testing::Random random(20);
    const auto prompt = testing::tinyIds(300, shape_.vocabulary, 7);
    std::vector<std::byte> whole;
    std::vector<float> after;
    {
        ModelRunner runner(shape_, options_);
        runner.step({{0, prompt}});
        whole = runner.kvOf(0);
        after = runner.step({{0, {5}, true}});
    }
    for (int round = 0; round < 8; ++round) {
        ModelRunner runner(shape_, options_);
        const bool besideDecodes = round % 2 == 1;
        if (besideDecodes) runner.step({{1, promptOf(3)}, {2, promptOf(1)}});
        const uint64_t most = round < 2 ? 7 : 128;
        for (size_t done = 0; done < prompt.size();) {
            const size_t count = std::min<size_t>(1 + random.next() % most, prompt.size() - done);
            std::vector<ModelRunner::Piece> pieces;
            if (besideDecodes) pieces = {{1, {9}, true}, {2, {10, 11}, true}};
            const auto from = prompt.begin() + static_cast<std::ptrdiff_t>(done);
            pieces.push_back({0, {from, from + static_cast<std::ptrdiff_t>(count)}});
            runner.step(pieces);
            done += count;
        }
        EXPECT_TRUE(runner.kvOf(0) == whole) << "round " << round;
        EXPECT_TRUE(sameBytes(runner.step({{0, {5}, true}}), after)) << "round " << round;
    }
}

/// A chunk that waits between its layers for steps of others.
TEST_P(CompanyOnTheCard, APromptThatPausesBetweenLayersHasTheSameKv) {
    const auto prompt = testing::tinyIds(150, shape_.vocabulary, 8);
    ModelRunner whole(shape_, options_), paused(shape_, options_);
    whole.step({{0, prompt}});
    paused.step({{0, {prompt.begin(), prompt.begin() + 40}}});
    paused.step({{1, promptOf(3)}});
    paused.begin({{0, {prompt.begin() + 40, prompt.end()}}});
    while (!paused.advance(1)) paused.step({{1, {9}, true}});
    EXPECT_TRUE(paused.kvOf(0) == whole.kvOf(0));
    EXPECT_TRUE(sameBytes(paused.step({{0, {5}, true}}), whole.step({{0, {5}, true}})));
}

/// Through the scheduler: sixteen requests together, each against itself alone.
TEST_P(CompanyOnTheCard, TextIsTheSameGreedyAndSampled) {
    const TinyChatModel model(shape_);
    EngineOptions options = EngineDriver::options(model);
    options.device = DeviceChoice::Cuda;
    options.kvType = GetParam().kvType;
    options.speculate = SpeculationMode::Off;
    EngineOptions plain = options;
    plain.prefixCache = false;
    EngineDriver lonely(plain), busy(options);
    const auto request = [](int i) {
        std::string question = "question " + std::to_string(i);
        for (int word = 0; word < i * i % 40; ++word) question += " and then";
        GenerateRequest r = EngineDriver::ask(question, 20 + 7 * (i % 5), i % 3 == 0 ? 0.0F : 0.9F);
        r.sampling.seed = static_cast<uint64_t>(i);
        if (i % 5 == 4) r.sampling.topP = 0.9F;
        return r;
    };
    std::vector<std::vector<TokenId>> expected;
    for (int i = 0; i < kSequences; ++i) expected.push_back(lonely.run(request(i)).ids);
    for (int round = 0; round < 2; ++round) {
        std::vector<RequestId> ids;
        for (int i = 0; i < kSequences; ++i) {
            ids.push_back(busy.engine->submit(request((i * 5 + round) % kSequences)));
            if (i % 4 == round) busy.step();
        }
        for (int i = 0; i < kSequences; ++i)
            EXPECT_EQ(busy.run(ids[static_cast<size_t>(i)]).ids,
                      expected[static_cast<size_t>((i * 5 + round) % kSequences)])
                << "round " << round << ", request " << i;
        busy.engine->checkIntegrity();
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, CompanyOnTheCard, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace engine
