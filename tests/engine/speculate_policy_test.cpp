#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/speculate/draft_policy.h"

namespace engine {
namespace {

/// A machine and a kind of text, as numbers: what steps really take, and how often guesses are right.
struct World {
    std::array<double, 17> target{}, draft{};  ///< micros by rows
    double ngramFound = 0.0, ngramHolds = 0.0, modelHolds = 0.0;
    int turns = 1 << 30;       ///< after so many tokens no guess is right any more
    double readMicros = 0.0;   ///< of a prompt's row, for the draft model
    double noise = 0.0;        ///< of a step's time, relative
    double calibration = 1.0;  ///< what was measured for verified rows at load, relative to the truth
    int promptTokens = 40;

    double targetMicros(int rows) const { return target[static_cast<size_t>(rows)]; }
    /// Micros until the draft model can draft that has to compute so many tokens before the last: as
    /// ModelDrafter does it, a few rows more in its first step or rows of a prompt.
    double catchUpMicros(int behind) const {
        if (behind <= 0) return 0.0;
        if (behind < 8) return draft[static_cast<size_t>(1 + behind)] - draft[1];
        return std::max(behind * readMicros, draft[1]);
    }
    StepCosts measured(const std::array<double, 17>& truth, double error) const {
        std::array<double, StepCosts::kRows.size()> micros{};
        for (size_t i = 0; i < micros.size(); ++i)
            micros[i] = truth[static_cast<size_t>(StepCosts::kRows[i])] * (i == 0 ? 1.0 : error);
        StepCosts costs;
        costs.set(micros);
        return costs;
    }
};

enum class Mode { Off, Ngram, Model, Auto };

/// What a reply says, as far as guessing goes: the same whatever is guessed. All by token.
struct Text {
    int promptTokens = 0;
    std::vector<int> found, matched;  ///< guesses that the n-gram index has there, tokens that agreed before
    std::vector<int> ngramRuns, modelRuns;  ///< guesses in a row that are right from there on

    Text() = default;
    Text(const World& world, int tokens, unsigned seed) : promptTokens(world.promptTokens) {
        std::mt19937 random(seed);
        const auto happens = [&](double chance) { return std::bernoulli_distribution(chance)(random); };
        std::vector<bool> ngramRight, modelRight;
        int run = 0;
        for (int token = 0; token < tokens; ++token) {
            if (const bool isFound = happens(world.ngramFound); run == 0 && isFound) run = 3;
            matched.push_back(run);
            found.push_back(run > 0 ? std::min(DraftPolicy::kMostDrafted, tokens - token) : 0);
            ngramRight.push_back(happens(world.ngramHolds) && token < world.turns);
            modelRight.push_back(happens(world.modelHolds) && token < world.turns);
            run = run > 0 && ngramRight.back() ? std::min(run + 1, 32) : 0;
        }
        ngramRuns = runsOf(ngramRight);
        modelRuns = runsOf(modelRight);
    }
    int tokens() const { return static_cast<int>(found.size()); }

  private:
    static std::vector<int> runsOf(const std::vector<bool>& right) {
        std::vector<int> runs(right.size());
        for (size_t i = right.size(); i-- > 0;)
            runs[i] = right[i] ? 1 + (i + 1 < right.size() ? runs[i + 1] : 0) : 0;
        return runs;
    }
};

/// Replies of one kind on such a machine, one after another, against a simulated clock.
class Simulation {
  public:
    explicit Simulation(const World& world)
        : world_(world), random_(1), draft_(world.measured(world.draft, 1.0)) {
        policy_.setCosts(world.measured(world.target, world.calibration));
    }

    /// Micros that the next reply takes.
    double reply(Mode mode, int tokens) {
        return reply(mode, Text(world_, tokens, static_cast<unsigned>(id_ + 1)));
    }
    /// `read`: tokens of the prompt that the draft model has in its cache.
    double reply(Mode mode, const Text& text, int read = 0) {
        ++id_;
        double time = 0.0;
        int missing = text.promptTokens - read;
        hasRead_ = false;
        for (int done = 0; done < text.tokens();) {
            const auto at = static_cast<size_t>(done);
            const int remaining = text.tokens() - done, matched = text.matched[at];
            const int found = std::min(text.found[at], most(remaining)), behind = missing - 1;
            const DraftChoice choice = chosen(mode, remaining, found, matched, behind);
            DraftPolicy::Step step{1, 1, 0, 0.0, 0.0};
            if (choice.source == DraftSource::Model && choice.length > 0) {
                hasRead_ = true;
                if (behind > kSoon) {
                    const int chunk = std::min(behind, 256);
                    step.draftMicros = world_.catchUpMicros(chunk);
                    missing -= chunk;
                } else {
                    step.draftMicros = world_.catchUpMicros(behind) + choice.length * world_.draft[1];
                    step.rows += choice.length;
                    step.accepted = std::min(text.modelRuns[at], choice.length);
                    policy_.modelJudged(id_, step.accepted, step.accepted < choice.length);
                    // It has not computed its last guess.
                    missing = (step.accepted == choice.length ? 1 : 0) - step.accepted;
                }
            } else if (choice.source == DraftSource::Ngram) {
                step.rows += choice.length;
                step.accepted = std::min(text.ngramRuns[at], choice.length);
            }
            const double disturbed =
                1.0 + world_.noise * std::uniform_real_distribution<double>(-1.0, 1.0)(random_);
            step.targetMicros = world_.targetMicros(step.rows) * disturbed;
            time += step.targetMicros + step.draftMicros;
            const int came = step.accepted + 1;
            if (mode == Mode::Auto || mode == Mode::Ngram) {
                const int seen = std::min(came, found), stood = std::min(text.ngramRuns[at], seen);
                if (seen > 0) policy_.ngramJudged(id_, matched, stood, stood < seen);
            }
            if (mode != Mode::Off) policy_.stepTaken(step, {&id_, 1});
            missing += came;
            done += came;
        }
        policy_.forget(id_);
        return time;
    }
    /// Whether the draft model had a part in the last reply.
    bool hasRead() const { return hasRead_; }

  private:
    static int most(int remaining) { return std::min(DraftPolicy::kMostDrafted, remaining - 1); }
    DraftChoice chosen(Mode mode, int remaining, int found, int matched, int behind) {
        switch (mode) {
            case Mode::Ngram:
                return {DraftSource::Ngram, std::min(found, 7)};
            case Mode::Model:
                return {DraftSource::Model, std::min(most(remaining), 3)};
            case Mode::Auto: {
                const DraftPolicy::Candidate candidate{
                    id_, most(remaining), remaining, found, matched, behind, world_.catchUpMicros(behind)};
                return policy_.choose({&candidate, 1}, &draft_, 64).front();
            }
            case Mode::Off:
                break;
        }
        return {};
    }

    World world_;
    std::mt19937 random_;
    StepCosts draft_;
    DraftPolicy policy_;
    static constexpr int kSoon = 32;  ///< behind by more, nothing is drafted in the step that reads
    uint64_t id_ = 0;
    bool hasRead_ = false;
};

World randomWorld(std::mt19937& random) {
    const auto between = [&](double low, double high) {
        return std::uniform_real_distribution<double>(low, high)(random);
    };
    World world;
    // Anything from a device where 15 rows more are free to one that computes row by row.
    const double plain = between(500.0, 30'000.0), row = plain * std::pow(10.0, between(-3.0, 0.0));
    const double draft = plain * between(0.05, 0.6);
    for (size_t rows = 1; rows < world.target.size(); ++rows) {
        const double tile = between(0.0, 0.05) * plain;
        world.target[rows] =
            (rows == 1 ? plain : world.target[rows - 1] + row) + (rows % 8 == 1 && rows > 1 ? tile : 0.0);
        world.draft[rows] = draft * (1.0 + 0.02 * static_cast<double>(rows));
    }
    world.ngramFound = between(0.0, 0.5);
    world.ngramHolds = between(0.1, 0.99);
    world.modelHolds = between(0.05, 0.95);
    world.readMicros = std::min(draft, plain * std::pow(10.0, between(-3.5, -1.0)));
    world.noise = between(0.0, 0.1);
    world.calibration = between(0.85, 1.15);
    world.promptTokens = static_cast<int>(between(20.0, 600.0));
    return world;
}

TEST(DraftPolicy, NeverMakesAReplySlowerByMoreThanThreePercent) {
    std::mt19937 random(17);
    for (int round = 0; round < 400; ++round) {
        const World world = randomWorld(random);
        Simulation guessing(world);
        for (int reply = 0; reply < 4; ++reply) {
            // What the same reply takes without guesses; noise has no part in the comparison's base.
            const double plain = 256.0 * world.targetMicros(1);
            const double with = guessing.reply(Mode::Auto, 256);
            ASSERT_GE(plain / with, 0.97 - world.noise * 0.06)
                << "round " << round << ", reply " << reply << ", a row more costs "
                << world.targetMicros(2) / world.targetMicros(1) << ", n-grams hold " << world.ngramHolds
                << ", the model " << world.modelHolds << " at " << world.draft[1] / world.targetMicros(1);
        }
    }
}

TEST(DraftPolicy, LosesLittleAfterAReplyTurnsFromAQuotationToProse) {
    std::mt19937 random(29);
    for (int round = 0; round < 200; ++round) {
        World world = randomWorld(random);
        world.noise = 0.0;
        World turned = world;
        turned.turns = 128;
        Simulation all(turned), half(turned);
        const double before = half.reply(Mode::Auto, 128), both = all.reply(Mode::Auto, 256);
        // Mostly what it had gained before.
        ASSERT_LE(both - before, 128.0 * world.targetMicros(1) * 1.25) << "round " << round;
        ASSERT_LE(both, 256.0 * world.targetMicros(1) / 0.97) << "round " << round;
    }
}

TEST(DraftPolicy, IsNearlyAsFastAsTheBestOfTheFixedModes) {
    std::mt19937 random(23);
    int gained = 0;
    for (int round = 0; round < 150; ++round) {
        const World world = randomWorld(random);
        constexpr int kReplies = 12;
        std::array<double, 4> times{};
        for (const Mode mode : {Mode::Off, Mode::Ngram, Mode::Model, Mode::Auto}) {
            Simulation simulation(world);
            for (int reply = 0; reply < kReplies; ++reply)
                times[static_cast<size_t>(mode)] += simulation.reply(mode, 256);
        }
        // Nobody knows what an untried draft model is worth; prompts dearer than a hundredth of the reply are
        // not read to find out.
        const bool isTried = world.promptTokens * world.readMicros < 0.01 * 200.0 * world.targetMicros(1);
        const double best = std::min({times[0], times[1], isTried ? times[2] : times[0]});
        gained += best < 0.8 * times[0] ? 1 : 0;
        ASSERT_LE(times[3], best / 0.95)
            << "round " << round << ": off " << times[0] << ", ngram " << times[1] << ", model " << times[2]
            << "; a row more costs " << world.targetMicros(2) / world.targetMicros(1)
            << ", n-grams are found " << world.ngramFound << " and hold " << world.ngramHolds
            << ", the model " << world.modelHolds << " at " << world.draft[1] / world.targetMicros(1)
            << ", prompt " << world.promptTokens << ", a row of it "
            << world.readMicros / world.targetMicros(1);
    }
    EXPECT_GT(gained, 30) << "the worlds are such that drafts can pay";
}

/// Micros until each of `texts`, answered in one batch, is written: their sum.
double batch(const World& world, std::span<const Text> texts, bool guesses) {
    const StepCosts truth = world.measured(world.target, 1.0), draft = world.measured(world.draft, 1.0);
    DraftPolicy policy;
    policy.setCosts(truth);
    std::vector<int> done(texts.size(), 0), behind;
    for (const Text& text : texts) behind.push_back(text.promptTokens);
    double time = 0.0, sum = 0.0;
    for (;;) {
        std::vector<DraftPolicy::Candidate> candidates;
        std::vector<uint64_t> ids;
        for (size_t i = 0; i < texts.size(); ++i) {
            const int remaining = texts[i].tokens() - done[i];
            if (remaining <= 0) continue;
            const auto at = static_cast<size_t>(done[i]);
            const int most = std::min(DraftPolicy::kMostDrafted, remaining - 1);
            candidates.push_back({i, most, remaining, std::min(texts[i].found[at], most),
                                  texts[i].matched[at], behind[i] - 1, world.catchUpMicros(behind[i] - 1)});
            ids.push_back(i);
        }
        if (ids.empty()) return sum;
        std::vector<DraftChoice> choices(ids.size());
        if (guesses) choices = policy.choose(candidates, &draft, 64);
        DraftPolicy::Step step{static_cast<int>(ids.size()), static_cast<int>(ids.size()), 0, 0.0, 0.0};
        step.draftMicros = draftingMicros(choices, &draft);
        for (size_t c = 0; c < ids.size(); ++c) {
            const Text& text = texts[ids[c]];
            const auto at = static_cast<size_t>(done[ids[c]]);
            const int length = choices[c].length;
            const bool isModel = choices[c].source == DraftSource::Model && length > 0;
            int accepted = std::min(isModel ? text.modelRuns[at] : text.ngramRuns[at], length);
            if (isModel) {
                step.draftMicros += candidates[c].behindMicros;
                if (behind[ids[c]] > 33) {  // it was read, and nothing drafted
                    step.draftMicros -= length * draft.micros(1);
                    accepted = 0;
                } else {
                    step.rows += length;
                    policy.modelJudged(ids[c], accepted, accepted < length);
                }
                behind[ids[c]] = (accepted == length ? 1 : 0) - accepted;
            } else {
                step.rows += length;
            }
            const int came = accepted + 1, seen = std::min(came, candidates[c].found);
            const int stood = std::min(text.ngramRuns[at], seen);
            if (seen > 0) policy.ngramJudged(ids[c], candidates[c].matched, stood, stood < seen);
            step.accepted += accepted;
            behind[ids[c]] += came;
            done[ids[c]] += came;
        }
        step.draftMicros = std::max(0.0, step.draftMicros);
        step.targetMicros = truth.micros(step.rows);
        time += step.draftMicros + step.targetMicros;
        policy.stepTaken(step, ids);
        for (const uint64_t id : ids)
            if (done[id] >= texts[id].tokens()) sum += time;
    }
}

/// Together, that is: a reply that guesses nothing waits for the others' guesses, and they end sooner.
TEST(DraftPolicy, NeverMakesTheRepliesOfABatchSlowerByMoreThanThreePercent) {
    std::mt19937 random(31);
    double gained = 0.0;
    for (int round = 0; round < 100; ++round) {
        const World world = randomWorld(random);
        std::vector<Text> texts;
        const size_t count = 2 + random() % 7;
        for (size_t i = 0; i < count; ++i) {
            World kind = randomWorld(random);  // each chat is of another kind, on this machine
            texts.emplace_back(kind, 200, static_cast<unsigned>(random()));
        }
        const double plain = batch(world, texts, false), with = batch(world, texts, true);
        gained += plain / with / 100.0;
        ASSERT_GE(plain / with, 0.97) << "round " << round << ", " << count << " chats";
    }
    EXPECT_GT(gained, 1.2);
}

/// Replies of a real pair (tests/tools/trace_speculation.py), by kind of prompt.
std::vector<std::pair<std::string, std::vector<Text>>> realReplies() {
    std::vector<std::pair<std::string, std::vector<Text>>> kinds;
    std::ifstream file(ALCOVE_TEST_DATA "/data/prompts/traces.jsonl");
    for (std::string line; std::getline(file, line);) {
        const auto json = nlohmann::json::parse(line);
        const auto name = json["id"].get<std::string>();
        Text text;
        text.promptTokens = json["prompt"];
        json["found"].get_to(text.found);
        json["matched"].get_to(text.matched);
        json["ngram"].get_to(text.ngramRuns);
        json["model"].get_to(text.modelRuns);
        const std::string kind = name.substr(0, name.rfind('-'));
        if (kinds.empty() || kinds.back().first != kind) kinds.emplace_back(kind, std::vector<Text>());
        kinds.back().second.push_back(std::move(text));
    }
    return kinds;
}

struct Machine {
    const char* name;
    std::array<double, 8> target;  ///< micros of StepCosts::kRows
    std::array<double, 8> draft;   ///< the same of the draft model
    double read;                   ///< of a prompt's row in the draft model
    double noise = 0.0;            ///< of a step's time, relative
};

/// As check_speculation.py has them: in one process the modes of each prompt one after another, the prompts
/// in the order of their kinds. Tokens of the template before a question are known from the one before; a
/// prompt that the draft model has read for one mode is read for the others.
struct Replies {
    static constexpr int kTemplate = 16;  ///< tokens
    Simulation simulation;
    bool isFirst = true;
    std::array<double, 4> times(const Text& text, std::span<const Mode> order) {
        std::array<double, 4> times{};
        int read = isFirst ? 0 : kTemplate;
        for (const Mode mode : order) {
            times[static_cast<size_t>(mode)] = simulation.reply(mode, text, read);
            if (simulation.hasRead()) read = text.promptTokens - 1;
        }
        isFirst = false;
        return times;
    }
};

class OnRealReplies : public ::testing::TestWithParam<Machine> {};

TEST_P(OnRealReplies, AutoIsNeverSlowerThanPlainAndNearlyAsFastAsTheBestFixedMode) {
    const Machine& machine = GetParam();
    StepCosts target, draft;
    target.set(machine.target);
    draft.set(machine.draft);
    World world;
    world.readMicros = machine.read;
    world.noise = machine.noise;
    for (size_t rows = 1; rows < world.target.size(); ++rows) {
        world.target[rows] = target.micros(static_cast<int>(rows));
        world.draft[rows] = draft.micros(static_cast<int>(rows));
    }
    const auto kinds = realReplies();
    ASSERT_EQ(kinds.size(), 10u);
    constexpr std::array<Mode, 4> kOrder{Mode::Off, Mode::Auto, Mode::Ngram, Mode::Model};
    constexpr std::array<Mode, 4> kReversed{Mode::Model, Mode::Ngram, Mode::Auto, Mode::Off};
    Replies replies{Simulation(world)};
    for (const auto& [kind, texts] : kinds) {
        std::array<double, 4> sums{};
        for (size_t i = 0; i < texts.size(); ++i) {
            const auto times = replies.times(texts[i], i % 2 == 0 ? kOrder : kReversed);
            EXPECT_LE(times[3], times[0] / 0.97) << kind << " " << i;
            for (size_t mode = 0; mode < times.size(); ++mode) sums[mode] += times[mode];
        }
        const double best = std::min({sums[0], sums[1], sums[2]});
        EXPECT_LE(sums[3], best / 0.95)
            << kind << ": ngram " << sums[0] / sums[1] << ", model " << sums[0] / sums[2] << ", auto "
            << sums[0] / sums[3] << " times as fast as off";
        // For people: --gtest_output=xml tells them.
        RecordProperty(kind, fmt::format("ngram {:.2f}, model {:.2f}, auto {:.2f}", sums[0] / sums[1],
                                         sums[0] / sums[2], sums[0] / sums[3]));
    }
}

INSTANTIATE_TEST_SUITE_P(
    , OnRealReplies,
    ::testing::Values(
        // Two cores with AVX-512 VNNI, the 1.5B and the 0.5B, as measured on one day and on another.
        Machine{"TwoCores",
                {24e3, 36e3, 42e3, 47e3, 59e3, 71e3, 95e3, 118e3},
                {11e3, 15e3, 16e3, 17e3, 22e3, 27e3, 38e3, 50e3},
                1.32e3},
        Machine{"TwoCoresWithDearerPlainSteps",
                {29e3, 38e3, 43e3, 48e3, 60e3, 71e3, 95e3, 118e3},
                {11e3, 15e3, 16e3, 17e3, 22e3, 27e3, 38e3, 50e3},
                1.32e3},
        // A card with an 8B-cost target: rows are nearly free, the draft a fifth of a step.
        Machine{"Card",
                {2660, 2700, 2720, 2740, 2790, 2850, 3300, 3400},
                {550, 555, 560, 565, 575, 585, 620, 650},
                13},
        // A card that is faster at both.
        Machine{"FastCard",
                {1310, 1370, 1400, 1430, 1500, 1580, 1900, 2000},
                {400, 405, 410, 415, 425, 435, 460, 490},
                10},
        // Many cores: compute is cheap beside memory.
        Machine{"ManyCores",
                {20e3, 20.5e3, 21e3, 21.5e3, 23e3, 25e3, 31e3, 38e3},
                {6e3, 6.2e3, 6.4e3, 6.6e3, 7e3, 8e3, 10e3, 12e3},
                300}),
    [](const auto& test) { return std::string(test.param.name); });

World cheapRows() {
    World world;
    for (size_t rows = 1; rows < world.target.size(); ++rows) {
        world.target[rows] = 2600.0 + 10.0 * static_cast<double>(rows);
        world.draft[rows] = 500.0;
    }
    return world;
}

TEST(DraftPolicy, DraftsNothingBeforeItKnowsCosts) {
    DraftPolicy policy;
    const DraftPolicy::Candidate candidate{1, 15, 256, 15, 20, -1, 0.0};
    EXPECT_EQ(policy.choose({&candidate, 1}, nullptr, 64).front().length, 0);
}

TEST(DraftPolicy, BeginsShortAndGrowsWithSuccess) {
    const World world = [] {
        World dear;  // two rows take half as long again: the real pair's target on two cores
        for (size_t rows = 1; rows < dear.target.size(); ++rows)
            dear.target[rows] = 24'000.0 + 6000.0 * static_cast<double>(rows - 1) + (rows > 1 ? 6000.0 : 0.0);
        return dear;
    }();
    DraftPolicy policy;
    policy.setCosts(world.measured(world.target, 1.0));
    std::vector<int> lengths;
    for (int step = 0; step < 12; ++step) {
        const DraftPolicy::Candidate candidate{1, 15, 200, 15, 32, -1, 0.0};
        const int length = policy.choose({&candidate, 1}, nullptr, 64).front().length;
        lengths.push_back(length);
        policy.ngramJudged(1, 32, length, false);
        const uint64_t id = 1;
        policy.stepTaken({1 + length, 1, length, 0.0, world.targetMicros(1 + length)}, {&id, 1});
    }
    EXPECT_LE(lengths.front(), 2);
    EXPECT_GE(lengths.back(), 11);
    EXPECT_GT(policy.gainOf(1), 1.2);
}

TEST(DraftPolicy, AccountsForEachReplySoThatOneDoesNotPayForAnother) {
    const World world = cheapRows();
    DraftPolicy policy;
    policy.setCosts(world.measured(world.target, 1.0));
    const uint64_t good = 1, bad = 2;
    policy.stepTaken({16, 1, 15, 0.0, 2760.0}, {&good, 1});
    for (int step = 0; step < 3; ++step) policy.stepTaken({16, 1, 0, 0.0, 5200.0}, {&bad, 1});
    EXPECT_GT(policy.gainOf(good), 10.0);
    EXPECT_NEAR(policy.gainOf(bad), 0.5, 0.02);
    const DraftPolicy::Candidate again{bad, 15, 200, 15, 32, -1, 0.0};
    EXPECT_EQ(policy.choose({&again, 1}, nullptr, 64).front().length, 0) << "it has lost enough";
    policy.forget(bad);
    EXPECT_DOUBLE_EQ(policy.gainOf(bad), 1.0);
}

TEST(DraftPolicy, MeasuresAPlainStepAgainWhenVerifiedOnesSayThatTheMachineChanged) {
    World world = cheapRows();
    DraftPolicy policy;
    policy.setCosts(world.measured(world.target, 1.0));
    int plain = 0;
    const uint64_t id = 1;
    for (int step = 0; step < 200; ++step) {
        const DraftPolicy::Candidate candidate{id, 15, 4000, 15, 32, -1, 0.0};
        const int length = policy.choose({&candidate, 1}, nullptr, 64).front().length;
        plain += length == 0 ? 1 : 0;
        policy.ngramJudged(id, 32, length, false);
        policy.stepTaken(
            {1 + length, 1, length, 0.0, world.targetMicros(1 + length) * (step < 100 ? 1.0 : 0.5)},
            {&id, 1});
    }
    EXPECT_GE(plain, 1);
    EXPECT_LE(plain, 4);
    EXPECT_NEAR(policy.costs().micros(1), 0.5 * world.targetMicros(1), 0.05 * world.targetMicros(1));
}

TEST(DraftPolicy, SaysBeforehandWhetherGuessesWouldBeDrafted) {
    const auto costsOf = [](double row) {  // 1000 micros, and so much for each further row
        std::array<double, StepCosts::kRows.size()> micros{};
        for (size_t i = 0; i < micros.size(); ++i) micros[i] = 1000.0 + row * (StepCosts::kRows[i] - 1);
        StepCosts costs;
        costs.set(micros);
        return costs;
    };
    DraftPolicy::Candidate finds{1, 10, 200, 10, 6}, findsNothing{2, 10, 200, 0, 0};
    const std::array both{finds, findsNothing};
    DraftPolicy unknown, cheap, dear;
    cheap.setCosts(costsOf(1.0));
    dear.setCosts(costsOf(1000.0));
    EXPECT_FALSE(unknown.wouldDraft(both, 64));
    EXPECT_TRUE(cheap.wouldDraft(both, 64));
    EXPECT_FALSE(cheap.wouldDraft({&both[1], 1}, 64));
    EXPECT_FALSE(cheap.wouldDraft(both, 2)) << "no row is left";
    EXPECT_FALSE(dear.wouldDraft(both, 64));
    for (int guess = 0; guess < 200; ++guess) cheap.ngramJudged(1, 6, 0, true);
    EXPECT_FALSE(cheap.wouldDraft(both, 64)) << "they never stood";
}

}  // namespace
}  // namespace engine
