#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "engine/speculate/pairing.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/failing_ops.h"
#include "tests/engine/support/model_runner.h"
#include "tests/engine/support/tiny_vocabulary.h"

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

/// A target and its draft: the same random model without its last layer, which agrees with it often, never
/// always.
struct Pair {
    explicit Pair(const TinyModel& whole = shape(3)) : target(whole), draft(cut(whole)) {}
    static TinyModel cut(TinyModel shape) {
        --shape.layers;
        return shape;
    }
    EngineOptions options(SpeculationMode mode) const {
        EngineOptions options = EngineDriver::options(target);
        options.speculate = mode;
        if (mode == SpeculationMode::Draft || mode == SpeculationMode::Auto)
            options.draftModel = draft.path();
        return options;
    }
    TinyChatModel target, draft;
};

/// Every step takes a millisecond by this clock, however many rows: drafts always pay.
Engine::Clock clockOfFreeRows() {
    auto now = std::make_shared<std::chrono::nanoseconds>(0);
    return [now] { return *now += std::chrono::milliseconds(1); };
}

/// Requests of different kinds: some repeat themselves (a negative penalty draws a random model to what it
/// has said), some do not; penalties, filters, limits.
std::vector<GenerateRequest> requests(float temperature) {
    std::vector<GenerateRequest> all;
    const std::array<const char*, 6> questions{
        "the answer to that is the answer to that is the answer to that is the answer to that is",
        "why is the sky blue?",
        "one two three one two three one two three one two three one two three one two three",
        "write a small program that reads a file and counts the words in it",
        "a a a a a a a a a a a a a a a a a a a a a a a a a a",
        "what is the name of the thing?"};
    for (size_t i = 0; i < questions.size(); ++i) {
        GenerateRequest request = EngineDriver::ask(questions[i], 40, temperature);
        request.sampling.seed = 11 + i;
        all.push_back(std::move(request));
    }
    for (const size_t i : {0U, 2U, 4U}) {
        all[i].sampling.presencePenalty = temperature > 0.0F ? -6.0F : -2.0F;
        all[i].sampling.penaltyWindow = 12;
        all[i].maxNewTokens = 120;
    }
    all[1].sampling.repeatPenalty = 1.1F;
    all[1].sampling.penaltyWindow = 16;
    all[3].sampling.presencePenalty = 0.5F;
    all[3].sampling.topK = 20;
    all[3].sampling.topP = 0.9F;
    all[4].maxNewTokens = 97;
    all[5].sampling.minP = 0.05F;
    all[5].sampling.ignoreEndOfGeneration = false;
    return all;
}

constexpr const char* kLongQuestion =
    "please write a small program that reads a file and counts the words in it, one line at a time. thank "
    "you, that was very helpful. can you also explain why the sky is blue and water is wet?";

struct Counts {
    int drafted = 0, accepted = 0;
    int rejected() const { return drafted - accepted; }
};

std::vector<Outcome> runTogether(EngineDriver& driver, std::vector<GenerateRequest> all, Counts& counts) {
    std::vector<RequestId> ids;
    for (GenerateRequest& request : all) ids.push_back(driver.engine->submit(std::move(request)));
    std::vector<Outcome> outcomes;
    for (const RequestId id : ids) {
        outcomes.push_back(driver.run(id));
        counts.drafted += outcomes.back().stats.draftedTokens;
        counts.accepted += outcomes.back().stats.acceptedTokens;
    }
    driver.engine->checkIntegrity();
    return outcomes;
}

void expectEqual(const std::vector<Outcome>& with, const std::vector<Outcome>& without) {
    ASSERT_EQ(with.size(), without.size());
    for (size_t i = 0; i < with.size(); ++i) {
        EXPECT_EQ(with[i].ids, without[i].ids) << "request " << i;
        EXPECT_EQ(with[i].text, without[i].text) << "request " << i;
        EXPECT_EQ(with[i].reason, without[i].reason) << "request " << i;
        EXPECT_EQ(with[i].stats.newTokens, without[i].stats.newTokens);
    }
}

struct Case {
    SpeculationMode mode;
    float temperature;
};

class Speculation : public ::testing::TestWithParam<Case> {};

TEST_P(Speculation, ChangesNoByteOfAnyReplyWhileOthersRun) {
    const Pair pair;
    Counts counts;
    EngineDriver plain(pair.options(SpeculationMode::Off)),
        drafting(pair.options(GetParam().mode), clockOfFreeRows());
    std::vector<Outcome> without;
    for (GenerateRequest& request : requests(GetParam().temperature))
        without.push_back(plain.run(std::move(request)));
    const std::vector<Outcome> with = runTogether(drafting, requests(GetParam().temperature), counts);
    expectEqual(with, without);
    EXPECT_GT(counts.drafted, 40);
    EXPECT_GT(counts.accepted, 15);
    EXPECT_GT(counts.rejected(), 15);
    const SpeculationStats stats = drafting.engine->stats().speculation;
    EXPECT_EQ(stats.draftedTokens, counts.drafted);
    EXPECT_GE(stats.acceptedTokens, counts.accepted);
}

INSTANTIATE_TEST_SUITE_P(
    , Speculation,
    ::testing::Values(Case{SpeculationMode::Ngram, 0.0F}, Case{SpeculationMode::Ngram, 0.8F},
                      Case{SpeculationMode::Draft, 0.0F}, Case{SpeculationMode::Draft, 0.8F},
                      Case{SpeculationMode::Auto, 0.0F}, Case{SpeculationMode::Auto, 0.8F}),
    [](const auto& test) {
        return std::string(toString(test.param.mode)) +
               (test.param.temperature > 0.0F ? "Sampled" : "Greedy");
    });

TEST(SpeculationInTheEngine, MayDifferFromRequestToRequest) {
    const Pair pair;
    Counts none, counts;
    EngineDriver plain(pair.options(SpeculationMode::Off)), mixed(pair.options(SpeculationMode::Auto));
    std::vector<GenerateRequest> all = requests(0.8F);
    for (size_t i = 0; i < all.size(); ++i) all[i].speculate = static_cast<SpeculationMode>(i % 4);
    const auto with = runTogether(mixed, all, counts);
    expectEqual(with, runTogether(plain, requests(0.8F), none));
    EXPECT_EQ(none.drafted, 0);
    EXPECT_EQ(with[0].stats.draftedTokens, 0) << "off";
    EXPECT_GT(with[2].stats.draftedTokens, 0) << "draft";
}

/// A card's operations return before they have run; what drafts cost then comes from whole steps.
TEST(SpeculationInTheEngine, LearnsCostsOnADeviceThatRunsAhead) {
    const Pair pair;
    for (const SpeculationMode mode : {SpeculationMode::Draft, SpeculationMode::Auto}) {
        Counts none, counts;
        testing::Fault device;
        device.runsAhead = true;
        EngineOptions options = pair.options(mode);
        options.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
            return std::make_unique<testing::FailingOps>(std::move(ops), device);
        };
        EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(options, clockOfFreeRows());
        expectEqual(runTogether(drafting, requests(0.8F), counts), runTogether(plain, requests(0.8F), none));
        EXPECT_GT(counts.accepted, 15);
        EXPECT_GT(counts.rejected(), 15);
        if (mode != SpeculationMode::Auto) continue;
        EXPECT_GT(drafting.engine->stats().speculation.gain, 1.0);
    }
}

TEST(SpeculationInTheEngine, GoesOnWithoutDraftsWhenTheDeviceFailsUnderOne) {
    const Pair pair;
    testing::Fault device;
    EngineOptions options = pair.options(SpeculationMode::Draft);
    options.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
        return std::make_unique<testing::FailingOps>(std::move(ops), device);
    };
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(options);
    const GenerateRequest request = requests(0.8F)[0];
    const Outcome expected = plain.run(request);
    const RequestId id = drafting.engine->submit(request);
    while (drafting.outcomes[id].ids.size() < 9) drafting.step();
    device.armed = true;
    EXPECT_EQ(drafting.run(id).ids, expected.ids);
    EXPECT_FALSE(device.armed) << "it has failed";
    drafting.engine->checkIntegrity();
    EXPECT_EQ(drafting.run(request).ids, expected.ids) << "what it left in caches is sound";
}

TEST(SpeculationInTheEngine, EndsAtEveryLengthAskedForAndAtStopStrings) {
    const Pair pair;
    EngineDriver plain(pair.options(SpeculationMode::Off));
    const GenerateRequest request = requests(0.8F)[0];
    const Outcome whole = plain.run(request);
    for (const SpeculationMode mode : {SpeculationMode::Ngram, SpeculationMode::Draft}) {
        EngineDriver drafting(pair.options(mode));
        for (int limit = 1; limit <= 12; ++limit) {
            GenerateRequest limited = request;
            limited.maxNewTokens = limit;
            const Outcome& outcome = drafting.run(limited);
            EXPECT_EQ(outcome.reason, FinishReason::Length);
            EXPECT_EQ(outcome.ids, std::vector<TokenId>(whole.ids.begin(), whole.ids.begin() + limit));
        }
        for (size_t at = 3; at + 3 < whole.text.size(); at += 7) {
            GenerateRequest stopping = request;
            stopping.sampling.stop = {whole.text.substr(at, 3)};
            const Outcome expected = plain.run(stopping);
            const Outcome& outcome = drafting.run(stopping);
            EXPECT_EQ(outcome.text, expected.text);
            EXPECT_EQ(outcome.ids, expected.ids) << "no token after the stop string counts";
            EXPECT_EQ(outcome.reason, expected.reason);
        }
        drafting.engine->checkIntegrity();
    }
}

TEST(SpeculationInTheEngine, EndsAtTheModelsOwnEndTokenInsideAnAcceptedRun) {
    const Pair pair;
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(pair.options(SpeculationMode::Draft));
    int stopped = 0;
    for (uint64_t seed = 0; seed < 40; ++seed) {
        GenerateRequest request = EngineDriver::ask("stop soon", 60, 3.0F);  // hot: the end token comes up
        request.sampling.ignoreEndOfGeneration = false;
        request.sampling.seed = seed;
        const Outcome expected = plain.run(request);
        const Outcome& outcome = drafting.run(request);
        ASSERT_EQ(outcome.ids, expected.ids);
        EXPECT_EQ(outcome.reason, expected.reason);
        stopped += outcome.reason == FinishReason::Stop ? 1 : 0;
    }
    EXPECT_GT(stopped, 1);
}

TEST(SpeculationInTheEngine, StopsWithinOneStepWhenCancelled) {
    const Pair pair;
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(pair.options(SpeculationMode::Draft));
    const GenerateRequest request = requests(0.0F)[0];
    const Outcome whole = plain.run(request);
    const RequestId id = drafting.engine->submit(request);
    while (drafting.outcomes[id].ids.size() < 8) drafting.step();
    drafting.engine->cancel(id);
    drafting.step();
    const Outcome& outcome = drafting.outcomes[id];
    EXPECT_TRUE(outcome.isFinished);
    EXPECT_EQ(outcome.reason, FinishReason::Cancelled);
    EXPECT_EQ(whole.text.substr(0, outcome.text.size()), outcome.text);
    drafting.engine->checkIntegrity();
    EXPECT_EQ(drafting.run(request).ids, whole.ids) << "what the cancelled request left in caches is sound";
}

TEST(SpeculationInTheEngine, SurvivesPreemption) {
    const Pair pair;
    Counts none, counts;
    EngineOptions tight = pair.options(SpeculationMode::Draft);
    const size_t roomy = EngineDriver(tight).engine->stats().kvBytesTotal;
    tight.contextTokens = 256;
    EngineOptions probe = tight;
    probe.kvBytes = roomy;
    const EngineStats stats = EngineDriver(probe).engine->stats();
    tight.kvBytes = stats.kvBytesTotal / static_cast<size_t>(stats.kvBlocksTotal) * 20;  // two or three fit
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(tight);
    expectEqual(runTogether(drafting, requests(0.8F), counts), runTogether(plain, requests(0.8F), none));
    EXPECT_GT(drafting.engine->stats().preemptions, 0);
    EXPECT_GT(counts.accepted, 0);
}

TEST(SpeculationInTheEngine, KeepsWhatARollbackNeedsInSlidingWindows) {
    TinyModel gemma = shape(7);  // the sixth layer sees everything
    gemma.architecture = "gemma3";
    gemma.window = 24;
    const Pair pair(gemma);
    for (const SpeculationMode mode : {SpeculationMode::Ngram, SpeculationMode::Draft}) {
        Counts none, counts;
        EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(pair.options(mode));
        std::vector<GenerateRequest> all = requests(0.8F);
        for (GenerateRequest& request : all) request.maxNewTokens = 90;
        expectEqual(runTogether(drafting, all, counts), runTogether(plain, all, none));
        EXPECT_GT(counts.accepted, 0);
        EXPECT_GT(counts.rejected(), 0);
    }
}

TEST(SpeculationInTheEngine, DraftsAtOnceInTheNextTurnOfAConversation) {
    const Pair pair;
    EngineDriver plain(pair.options(SpeculationMode::Off)), drafting(pair.options(SpeculationMode::Draft));
    GenerateRequest first = EngineDriver::ask(kLongQuestion, 24);
    const Outcome answer = drafting.run(first);
    const GenerateRequest second = EngineDriver::next(first, answer, "and why is it so?");
    const Outcome expected = plain.run(second);
    const Outcome& outcome = drafting.run(second);
    EXPECT_EQ(outcome.ids, expected.ids);
    EXPECT_GT(outcome.stats.draftedTokens, 0);
}

TEST(SpeculationInTheEngine, ReadsAConversationForTheDraftModelWhileItIsIdle) {
    const Pair pair;
    EngineDriver busy(pair.options(SpeculationMode::Draft)), idle(pair.options(SpeculationMode::Draft));
    GenerateRequest first = EngineDriver::ask(kLongQuestion, 1);
    const Outcome answer = idle.run(first);
    EXPECT_EQ(idle.engine->stats().speculation.preparedTokens, 0) << "the reply comes first";
    while (idle.step()) continue;
    const int64_t prepared = idle.engine->stats().speculation.preparedTokens;
    EXPECT_EQ(prepared, answer.stats.promptTokens) << "all but the last token";
    GenerateRequest second = EngineDriver::next(first, answer, "why?");
    second.maxNewTokens = 4;
    const Outcome warm = idle.run(second);
    busy.run(first);
    const Outcome cold = busy.run(second);  // at once
    EXPECT_EQ(warm.ids, cold.ids);
    EXPECT_GT(warm.stats.draftedTokens, cold.stats.draftedTokens) << "its first step drafts";
    idle.engine->checkIntegrity();
    while (idle.step()) continue;
    EXPECT_LT(idle.engine->stats().speculation.preparedTokens - prepared, 16)
        << "what it read while drafting is not read again";
    for (const SpeculationMode mode : {SpeculationMode::Off, SpeculationMode::Ngram}) {
        EngineDriver without(pair.options(SpeculationMode::Draft));
        first.speculate = mode;
        without.run(first);
        while (without.step()) continue;
        EXPECT_EQ(without.engine->stats().speculation.preparedTokens, 0) << toString(mode);
    }
}

TEST(SpeculationInTheEngine, KeepsNothingOfADeletedConversationForDrafts) {
    const Pair pair;
    for (const bool keepsPrefixes : {true, false}) {
        EngineOptions options = pair.options(SpeculationMode::Draft);
        options.prefixCache = keepsPrefixes;
        EngineDriver driver(options);
        GenerateRequest request = EngineDriver::ask(kLongQuestion, 24);
        const Outcome answer = driver.run(request);
        GenerateRequest whole = EngineDriver::next(request, answer, "");
        whole.messages.erase(whole.messages.size() - 1);
        whole.generatedIds.pop_back();
        driver.engine->forget(whole);  // before the rest of it was read, too
        while (driver.step()) continue;
        EXPECT_EQ(driver.engine->stats().speculation.keptTokens, 0);
        driver.run(request);
        while (driver.step()) continue;
        EXPECT_GT(driver.engine->stats().speculation.keptTokens, 100);
        driver.engine->forget(whole);
        while (driver.step()) continue;
        EXPECT_EQ(driver.engine->stats().speculation.keptTokens, 0);
        driver.run(request);
        driver.engine->forgetEverything();
        while (driver.step()) continue;
        EXPECT_EQ(driver.engine->stats().speculation.keptTokens, 0);
        driver.engine->checkIntegrity();
    }
}

TEST(SpeculationInTheEngine, SaysWhatIsMissingWhenARequestWantsADraftModel) {
    const TinyChatModel model;
    EngineOptions options = EngineDriver::options(model);
    EngineDriver driver(options);
    GenerateRequest request = EngineDriver::ask("hello", 4);
    request.speculate = SpeculationMode::Draft;
    EXPECT_NE(driver.run(request).error.find("--draft"), std::string::npos);
    options.speculate = SpeculationMode::Draft;
    const auto refused = Engine::load(options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::InvalidArgument);
}

/// Pearson's statistic of the product's own draws, drafted and verified, against the target's distribution,
/// computed by a transformer that is driven by hand.
TEST(SpeculationInTheEngine, DrawsTheTargetsDistribution) {
    constexpr int kTopK = 4, kRuns = 1500;
    const TinyModel whole = shape(3);
    const Pair pair(whole);
    const std::vector<TokenId> prompt{40, 41, 42, 40, 41, 42, 40, 41};
    const auto likeliest = [&](const std::vector<TokenId>& ids) {
        TinyModel sized = whole;
        sized.vocabulary = Tokenizer::load(*GgufFile::open(pair.target.path())).value()->vocabularySize();
        testing::ModelRunner runner(sized, {kernels::Compute::Int8, 1, KvType::F16, false, {}});
        const std::vector<float> logits = runner.run(ids);
        std::vector<std::pair<float, TokenId>> last;
        const size_t first = logits.size() - static_cast<size_t>(sized.vocabulary);
        for (size_t i = first; i < logits.size(); ++i)
            last.emplace_back(-logits[i], static_cast<TokenId>(i - first));
        std::sort(last.begin(), last.end());
        last.resize(kTopK);
        double sum = 0.0;
        for (const auto& [logit, id] : last) sum += std::exp(static_cast<double>(last[0].first - logit));
        std::vector<std::pair<TokenId, double>> chances;
        for (const auto& [logit, id] : last)
            chances.emplace_back(id, std::exp(static_cast<double>(last[0].first - logit)) / sum);
        return chances;
    };
    std::map<std::vector<TokenId>, double> expected;
    for (const auto& [first, chance] : likeliest(prompt)) {
        std::vector<TokenId> longer = prompt;
        longer.push_back(first);
        for (const auto& [second, then] : likeliest(longer)) expected[{first, second}] = chance * then;
    }

    EngineDriver driver(pair.options(SpeculationMode::Draft));
    std::map<std::vector<TokenId>, int> seen;
    Counts counts;
    for (int run = 0; run < kRuns; run += 30) {
        std::vector<GenerateRequest> all(30);
        for (size_t i = 0; i < all.size(); ++i) {
            all[i].promptIds = prompt;
            all[i].maxNewTokens = 5;
            all[i].sampling.temperature = 1.0F;
            all[i].sampling.topK = kTopK;
            all[i].sampling.ignoreEndOfGeneration = true;
            all[i].sampling.seed = static_cast<uint64_t>(run) + i;
        }
        // The second token is the first that can be drafted.
        for (const Outcome& outcome : runTogether(driver, std::move(all), counts))
            ++seen[{outcome.ids[0], outcome.ids[1]}];
    }
    EXPECT_GT(counts.accepted, kRuns / 4);
    EXPECT_GT(counts.rejected(), kRuns / 4);
    double statistic = 0.0, uniform = 0.0;
    int cells = 0;
    double restExpected = 0.0;
    int restSeen = 0, total = 0;
    for (const auto& [pairOfIds, chance] : expected) {
        const int count = seen.contains(pairOfIds) ? seen[pairOfIds] : 0;
        total += count;
        uniform += std::pow(count - kRuns / 16.0, 2) / (kRuns / 16.0);
        if (chance * kRuns < 8.0) {
            restExpected += chance * kRuns;
            restSeen += count;
            continue;
        }
        ++cells;
        statistic += std::pow(count - chance * kRuns, 2) / (chance * kRuns);
    }
    EXPECT_EQ(total, kRuns) << "nothing outside the filter is ever drawn";
    if (restExpected > 8.0) {
        ++cells;
        statistic += std::pow(restSeen - restExpected, 2) / restExpected;
    }
    ASSERT_GE(cells, 4);
    // Chi-square with cells - 1 degrees of freedom: mean d, variance 2 d; five deviations above.
    const double freedom = cells - 1.0, bound = freedom + 5.0 * std::sqrt(2.0 * freedom);
    EXPECT_LT(statistic, bound);
    EXPECT_GT(uniform, 4.0 * bound) << "the test can tell distributions apart";
}

std::string reasonOf(const Result<void>& result) {
    return result ? std::string("it fits") : result.error().message;
}

TEST(Pairing, IgnoresPaddingAndNamesTheFirstTokenThatDiffers) {
    auto target = testing::TinyVocabulary::bytePairs(), draft = testing::TinyVocabulary::bytePairs();
    target.add("<|im_end|>", testing::kControl);
    draft.add("<|im_end|>", testing::kControl);
    EXPECT_TRUE(checkPairing(*target.load(), *draft.load()));
    auto padded = draft;
    padded.add("[PAD257]", testing::kUnused);
    padded.add("[PAD258]", testing::kUnused);
    EXPECT_TRUE(checkPairing(*target.load(), *padded.load()));
    auto longer = draft;
    longer.add("real");
    EXPECT_NE(reasonOf(checkPairing(*target.load(), *longer.load())).find("258 tokens"), std::string::npos);
    auto other = testing::TinyVocabulary::bytePairs();
    other.add("<|other|>", testing::kControl);
    const std::string reason = reasonOf(checkPairing(*target.load(), *other.load()));
    EXPECT_NE(reason.find("token 256 is '<|other|>'"), std::string::npos) << reason;
    EXPECT_NE(reasonOf(checkPairing(*target.load(), *testing::TinyVocabulary::sentencePieces().load()))
                  .find("tokenizer"),
              std::string::npos);
}

}  // namespace
}  // namespace engine
