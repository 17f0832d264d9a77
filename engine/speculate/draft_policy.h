#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/speculate/acceptance.h"
#include "engine/speculate/draft_planner.h"
#include "engine/speculate/step_costs.h"

namespace engine {

/// Decides what sequences of SpeculationMode::Auto draft: as much as promises to be fastest, by what steps
/// are measured to cost and how often guesses stood, and never at a risk that the reply cannot bear.
///
/// Each reply has an account of the time its steps took beside the time that plain steps would have taken. A
/// step may lose, if its guesses stand no more often than they surely do, no more than what the account holds
/// and kMostLoss of the reply so far and of the next kHorizon tokens of one of usual length; a single step no
/// more than the next kStepHorizon tokens allow. So drafts that nothing is known about
/// begin short and grow with their success, and a reply that guesses badly costs at most about kMostLoss more
/// than without speculation. Replies that run together share what their steps gain: the batch is never
/// slower, one of its replies may be for a while.
///
/// A prompt that the draft model has not seen is an investment. It is made once the model would have earned
/// back a part of it in what was written without it: so a reply that n-grams write well pays for none. What
/// it may cost is bounded by what the rest of a reply of usual length surely brings back.
///
/// Knows numbers only, no models; times come from its caller. Engine thread only.
class DraftPolicy {
  public:
    static constexpr int kMostDrafted = 15;     ///< with the token before them they fill a tile of 16 rows
    static constexpr double kMostLoss = 0.015;  ///< of a reply's time
    static constexpr int kHorizon = 128, kStepHorizon = 32;  ///< tokens

    /// A sequence that decodes in the next step, and what could be drafted for it.
    struct Candidate {
        uint64_t id = 0;
        int most = 0;                ///< tokens that may be drafted; 0: none
        int remaining = 0;           ///< tokens that its reply may still get
        int found = 0, matched = 0;  ///< guesses of the n-gram index, and how many tokens agreed before them
        /// Prompt rows that the draft model has to compute before it can draft, and their time. -1: no model.
        int behind = -1;
        double behindMicros = 0.0;
    };

    void setCosts(const StepCosts& target) { target_ = target; }
    const StepCosts& costs() const { return target_; }

    /// [candidates] what each drafts in a step that has `bounds.mostRows` rows at most; nothing before costs
    /// are known. `draft`: what the draft model's steps cost, null without one.
    std::vector<DraftChoice> choose(std::span<const Candidate> candidates, const StepCosts* draft,
                                    int mostRows);

    /// Whether n-gram guesses for these candidates, found and matched as they say, would be drafted.
    bool wouldDraft(std::span<const Candidate> candidates, int mostRows);

    /// How long a guess held: `stood` of `proposed` tokens were right and the next was wrong, unless all were
    /// right or the reply ended. N-gram guesses are judged whether they were drafted or not, so that watching
    /// for them to become worth it costs nothing.
    void ngramJudged(uint64_t id, int matched, int stood, bool fell);
    void modelJudged(uint64_t id, int stood, bool fell);

    /// A decode step that has run. Its time is split into what drafting and what the target took; 0 where
    /// other work makes it unknown.
    struct Step {
        int rows = 0, sequences = 0, accepted = 0;
        double draftMicros = 0.0, targetMicros = 0.0;
        bool isPlain() const { return rows == sequences && draftMicros == 0.0; }
    };
    /// `ids`: of its sequences whose account it goes to.
    void stepTaken(const Step& step, std::span<const uint64_t> ids);
    void forget(uint64_t id);

    /// Whether a draft model that had read everything might pay, by what is known of it.
    bool modelMayPay(const StepCosts& draft) const;

    /// Times faster than without drafts, by the measured cost of plain steps: of one reply, of all.
    double gainOf(uint64_t id) const;
    double gain() const { return total_.gain(); }

  private:
    /// Tokens that agreed before a guess, in classes: a longer agreement goes on likelier.
    static constexpr std::array<int, 5> kMatchClasses{3, 5, 8, 12, 20};
    static constexpr std::array<double, 5> kMatchPriors{0.35, 0.55, 0.7, 0.8, 0.9};
    /// How far a new reply's n-grams are expected to stand as the last replies' did: after quotations comes
    /// code.
    static constexpr double kAlike = 0.6;
    static constexpr double kModelPrior = 0.7;
    static constexpr double kSlow = 0.99;  ///< how trials of all replies fade, n-grams'
    /// The model's fade more slowly: how often it is right differs by the kind of text, and a new reply is
    /// likelier as the last ten were together than as the last one was.
    static constexpr double kSlower = 0.998;
    static constexpr double kInvested = 0.010;  ///< of a reply's time, into prompts for the draft model
    static constexpr int kProbeLength = 2;
    static constexpr double kMostDrift = 0.2;  ///< of log costs, after which a plain step is measured again
    static constexpr int kLeastBetweenChecks = 64;  ///< steps
    using ByMatch = std::array<Acceptance, kMatchClasses.size()>;

    struct Times {
        double plain = 0.0, actual = 0.0;
        double gain() const { return actual > 0.0 ? plain / actual : 1.0; }
    };
    struct Account {
        Times times;
        ByMatch ngram;
        Acceptance model;
        double tokens = 0.0;     ///< written so far
        double invested = 0.0;   ///< micros that the draft model took for prompts
        bool isProbing = false;  ///< until its guesses are judged
        double reading = 0.0;    ///< micros for a prompt in the step under way
        bool isReading = false;  ///< a prompt, in more than one step
        double modelPace = 0.0;  ///< micros of a token with the draft model, if it had read all; 0: it has
        double missed = 0.0;     ///< micros that it would have saved since it has not
        double lateMicros = 0.0, lateTokens = 0.0;  ///< of steps without the draft model; they fade
        double ownPace(double plainMicros) const {
            return lateTokens > 0.0 ? lateMicros / lateTokens : plainMicros;
        }
    };

    static size_t matchClass(int matched);
    double ngramChance(const Account& account, int matched) const;
    double modelChance(const Account& account) const;
    double modelSurely(const Account& account) const;
    DraftCandidate chancesOf(const Candidate& candidate, double plainMicros, const StepCosts* draft);
    double expectedRest(const Candidate& candidate, const Account& account) const;
    double paceWithModel(double chance, double plainMicros, const StepCosts& draft) const;
    bool mayRead(const Candidate& candidate, double plainMicros, const StepCosts& draft);
    double allowanceOf(const Candidate& candidate, double plainMicros);
    double allowanceOf(std::span<const Candidate> candidates);
    std::vector<DraftChoice> plan(std::span<const Candidate> candidates, const StepCosts* draft,
                                  const DraftBounds& bounds);
    bool mayProbe(const Candidate& candidate, const StepCosts& draft, double share);
    void probe(std::span<const Candidate> candidates, const StepCosts& draft, double allowance, int mostRows,
               std::vector<DraftChoice>& choices);

    StepCosts target_;
    std::map<uint64_t, Account> accounts_;
    /// Of all replies: what a new one begins with.
    ByMatch ngram_{Acceptance(kSlow), Acceptance(kSlow), Acceptance(kSlow), Acceptance(kSlow),
                   Acceptance(kSlow)};
    Acceptance model_{kSlower};
    double usualTokens_ = 256.0;  ///< of a reply
    Times total_;
    double drift_ = 0.0;       ///< of costs, since a plain step was measured
    int stepsSinceCheck_ = 0;  ///< since a plain step was asked for because of it
};

}  // namespace engine
