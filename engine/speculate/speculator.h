#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>

#include "engine/speculate/acceptance.h"
#include "engine/speculate/draft_planner.h"
#include "engine/speculate/model_drafter.h"
#include "engine/speculate/ngram_drafter.h"
#include "engine/speculate/speculation.h"

namespace engine {

/// Speculative decoding (Leviathan et al. 2023) with coupled draws: drafted tokens become rows of the next
/// step, and each stands while the target's own draw in its row equals it. So the reply is exactly the one
/// without drafts, greedy or sampled; only how many steps it takes changes.
///
/// Decides before each step what every decoding sequence drafts, and learns from what came of it. Engine
/// thread only.
class Speculator {
  public:
    using Clock = std::function<std::chrono::nanoseconds()>;
    static constexpr int kMostDrafted = 15;  ///< with the token before them they fill a tile of 16 rows

    /// `model` null: n-gram drafts only.
    Speculator(bool fromOtherChats, std::unique_ptr<ModelDrafter> model, Clock clock);
    /// What the target's steps cost; `Auto` drafts nothing before it knows.
    void setCosts(const StepCosts& target) { target_ = target; }
    bool knowsCosts() const { return target_.isKnown(); }

    /// Sets `draft` of each sequence, all of which have one token left to compute. `mostRows` bounds the rows
    /// of the step, drafted or not.
    void propose(std::span<Sequence* const> decoding, int mostRows);
    /// Rows of a step that has run, `drafted` of which were guesses of which `accepted` stood.
    struct StepRows {
        int rows, sequences, drafted, accepted;
    };
    /// `time` 0: the step did other things too, and its time says nothing about decoding.
    void stepTaken(const StepRows& step, std::chrono::nanoseconds time);
    /// The sequence has ended.
    void forget(const Sequence& sequence);

    bool hasModel() const { return model_ != nullptr; }
    size_t deviceBytes() const { return model_ != nullptr ? model_->deviceBytes() : 0; }
    SpeculationStats stats() const;
    void checkIntegrity() const;

  private:
    /// Tokens that agreed before a guess, in classes: a longer agreement goes on likelier.
    static constexpr std::array<int, 5> kMatchClasses{3, 5, 8, 12, 20};
    static constexpr std::array<double, 5> kMatchPriors{0.35, 0.55, 0.7, 0.8, 0.9};
    static constexpr double kModelPrior = 0.7;
    static constexpr double kProbeShare = 0.015;  ///< of the time, spent on drafts that may not pay
    static constexpr int kProbeLength = 2;
    using ByMatch = std::array<Acceptance, kMatchClasses.size()>;

    struct Track {
        size_t seen = 0;  ///< tokens of the sequence when it was looked at last
        NgramDrafter::Found ngram;
        std::vector<TokenId> drafted;  ///< by the model
        ByMatch ngramAcceptance;
        Acceptance modelAcceptance;
    };

    static size_t matchClass(int matched);
    void learn(Track& track, const Sequence& sequence);
    double ngramChance(const Track& track, int matched) const;
    double modelChance(const Track& track) const;
    int mostFor(const Sequence& sequence) const;
    DraftCandidate candidate(const Track& track, const Sequence& sequence) const;
    std::vector<DraftChoice> choose(std::span<Sequence* const> decoding, int mostRows);
    void probe(std::span<Sequence* const> decoding, std::vector<DraftChoice>& choices);
    void askModel(std::span<Sequence* const> decoding, std::span<const DraftChoice> choices);

    StepCosts target_;
    std::unique_ptr<ModelDrafter> model_;
    NgramDrafter ngrams_;
    Clock clock_;
    std::map<uint64_t, Track> tracks_;
    ByMatch ngramAcceptance_;  ///< of all requests: what a new one begins with
    Acceptance modelAcceptance_;
    uint64_t probed_ = 0;          ///< the sequence that the probe under way is for; 0: none
    double probeMicros_ = 0.0;     ///< saved up for the next probe
    double draftingMicros_ = 0.0;  ///< of the step to come
    double plainMicros_ = 0.0, actualMicros_ = 0.0;
    int64_t drafted_ = 0, accepted_ = 0;
};

}  // namespace engine
