#include <gtest/gtest.h>

#include <cmath>
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

/// What a reply says, as far as guessing goes: the same whatever is guessed.
struct Text {
    std::vector<int> matched;  ///< [tokens] that agreed before this one where the index knows a guess; else 0
    std::vector<bool> ngramRight, modelRight;  ///< [tokens] whether the guess for it is right

    Text(const World& world, int tokens, unsigned seed) {
        std::mt19937 random(seed);
        const auto happens = [&](double chance) { return std::bernoulli_distribution(chance)(random); };
        int run = 0;
        for (int token = 0; token < tokens; ++token) {
            if (const bool isFound = happens(world.ngramFound); run == 0 && isFound) run = 3;
            matched.push_back(run);
            ngramRight.push_back(happens(world.ngramHolds) && token < world.turns);
            modelRight.push_back(happens(world.modelHolds) && token < world.turns);
            run = run > 0 && ngramRight.back() ? std::min(run + 1, 32) : 0;
        }
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
        const Text text(world_, tokens, static_cast<unsigned>(++id_));
        double time = 0.0;
        int behind = world_.promptTokens;
        for (int done = 0; done < tokens;) {
            const int matched = text.matched[static_cast<size_t>(done)];
            const DraftChoice choice = chosen(mode, tokens - done, matched, behind);
            DraftPolicy::Step step{1, 1, 0, 0.0, 0.0};
            if (choice.source == DraftSource::Model && choice.length > 0) {
                step.draftMicros = behind * world_.readMicros;
                if (behind <= 32) {
                    step.draftMicros += choice.length * world_.draft[1];
                    step.rows += choice.length;
                    step.accepted = stands(text.modelRight, done, choice.length);
                    if (mode == Mode::Auto)
                        policy_.modelJudged(id_, step.accepted, step.accepted < choice.length);
                }
                behind = -step.accepted;
            } else if (choice.source == DraftSource::Ngram) {
                step.rows += choice.length;
                step.accepted = stands(text.ngramRight, done, choice.length);
            }
            const double disturbed =
                1.0 + world_.noise * std::uniform_real_distribution<double>(-1.0, 1.0)(random_);
            step.targetMicros = world_.targetMicros(step.rows) * disturbed;
            time += step.targetMicros + step.draftMicros;
            const int came = step.accepted + 1;
            if (mode == Mode::Auto) {
                const int seen = std::min(came, found(tokens - done, matched));
                const int stood = stands(text.ngramRight, done, seen);
                if (seen > 0) policy_.ngramJudged(id_, matched, stood, stood < seen);
                policy_.stepTaken(step, {&id_, 1});
            }
            behind = std::max(0, behind) + came;
            done += came;
        }
        policy_.forget(id_);
        return time;
    }

  private:
    static int most(int remaining) { return std::min(DraftPolicy::kMostDrafted, remaining - 1); }
    static int found(int remaining, int matched) { return matched > 0 ? most(remaining) : 0; }
    static int stands(const std::vector<bool>& right, int from, int length) {
        int count = 0;
        while (count < length && right[static_cast<size_t>(from + count)]) ++count;
        return count;
    }

    DraftChoice chosen(Mode mode, int remaining, int matched, int behind) {
        switch (mode) {
            case Mode::Ngram:
                return {DraftSource::Ngram, std::min(found(remaining, matched), 7)};
            case Mode::Model:
                return {DraftSource::Model, std::min(most(remaining), 3)};
            case Mode::Auto: {
                const DraftPolicy::Candidate candidate{
                    id_,    most(remaining),           remaining, found(remaining, matched), matched,
                    behind, behind * world_.readMicros};
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
    uint64_t id_ = 0;
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
        ASSERT_LE(both - before, 128.0 * world.targetMicros(1) * 1.2) << "round " << round;
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
    policy.stepTaken({16, 1, 0, 0.0, 5200.0}, {&bad, 1});
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

}  // namespace
}  // namespace engine
