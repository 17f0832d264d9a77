#pragma once

#include <limits>
#include <span>
#include <vector>

#include "engine/speculate/drafter.h"
#include "engine/speculate/step_costs.h"

namespace engine {

/// What could be drafted for one decoding sequence.
struct DraftCandidate {
    struct Option {
        /// [tokens that can be proposed] chance that each stands when those before it stand; empty: this
        /// drafter is not asked.
        std::vector<double> acceptance;
        /// [same] what these chances hardly are below; empty: 0.
        std::vector<double> surely;
        double extraMicros = 0.0;  ///< once for this step, beside the draft steps (a prompt to catch up with)
    };
    Option ngram, model;
};

struct DraftChoice {
    DraftSource source = DraftSource::None;
    int length = 0;
};

/// What bounds a step.
struct DraftBounds {
    int mostRows = 0;
    /// Micros that the step may lose against plain ones when guesses stand only as often as they surely do.
    double mostLoss = std::numeric_limits<double>::infinity();
};

/// Chooses draft lengths for the sequences of one step so that the expected tokens per time are most, n-gram
/// drafts being free and a model's costing a draft step a token, shared by the sequences that draft. Nothing
/// is drafted unless the gain over a plain step is at least kLeastGain, and only numbers of rows that are
/// usual (StepCosts) are chosen. `draft` null: no draft model. Pure; O(sequences * length * sequences).
std::vector<DraftChoice> planDrafts(std::span<const DraftCandidate> candidates, const StepCosts& target,
                                    const StepCosts* draft, const DraftBounds& bounds);

/// Time of the rounds in which the model drafts what was chosen.
double draftingMicros(std::span<const DraftChoice> choices, const StepCosts* draft);

inline constexpr double kLeastGain = 1.04;  ///< below it costs and chances are not known well enough

}  // namespace engine
