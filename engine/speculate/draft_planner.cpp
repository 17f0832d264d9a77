#include "engine/speculate/draft_planner.h"

#include <algorithm>

namespace engine {
namespace {

/// Tokens per micro of a sequence that drafts among `others` plain ones, at its best length.
double bestRate(const DraftCandidate::Option& option, const StepCosts* drafting, int others,
                const StepCosts& target) {
    double best = 0.0, tokens = others + 1.0, stands = 1.0;
    double micros = option.extraMicros;
    for (size_t i = 0; i < option.acceptance.size(); ++i) {
        tokens += stands *= option.acceptance[i];
        if (drafting != nullptr) micros += drafting->micros(1);
        best = std::max(best, tokens / (micros + target.micros(others + 2 + static_cast<int>(i))));
    }
    return best;
}

}  // namespace

double draftingMicros(std::span<const DraftChoice> choices, const StepCosts* draft) {
    double micros = 0.0;
    if (draft == nullptr) return micros;
    for (int round = 0;; ++round) {
        const auto rows = std::ranges::count_if(choices, [&](const DraftChoice& choice) {
            return choice.source == DraftSource::Model && choice.length > round;
        });
        if (rows == 0) return micros;
        micros += draft->micros(static_cast<int>(rows));
    }
}

std::vector<DraftChoice> planDrafts(std::span<const DraftCandidate> candidates, const StepCosts& target,
                                    const StepCosts* draft, const DraftBounds& bounds) {
    std::vector<DraftChoice> choices(candidates.size()), best(candidates.size());
    if (candidates.empty() || !target.isKnown()) return best;
    const int count = static_cast<int>(candidates.size());
    std::vector<DraftCandidate::Option> options(candidates.size());
    for (size_t i = 0; i < candidates.size(); ++i) {
        const double ngram = bestRate(candidates[i].ngram, nullptr, count - 1, target);
        const double model = draft != nullptr ? bestRate(candidates[i].model, draft, count - 1, target) : 0.0;
        const bool isModel = model > ngram;
        options[i] = isModel ? candidates[i].model : candidates[i].ngram;
        if (!options[i].acceptance.empty())
            choices[i].source = isModel ? DraftSource::Model : DraftSource::Ngram;
    }
    // Tokens are added in the order of their chance to stand, and the best total on the way is taken: the
    // cost has steps (tiles of rows), so the first addition that does not pay says little about the next.
    std::vector<double> stands(candidates.size(), 1.0), surelyStands(candidates.size(), 1.0);
    const auto chanceOfNext = [&](size_t i) {
        const auto length = static_cast<size_t>(choices[i].length);
        return length < options[i].acceptance.size() ? stands[i] * options[i].acceptance[length] : -1.0;
    };
    const double plain = target.micros(count) / count;  // of a token
    double tokens = count, sureTokens = count, extra = 0.0,
           bestRateYet = count / target.micros(count) * kLeastGain;
    for (int rows = count; rows < bounds.mostRows; ++rows) {
        size_t next = 0;
        for (size_t i = 1; i < options.size(); ++i)
            if (chanceOfNext(i) > chanceOfNext(next)) next = i;
        const double chance = chanceOfNext(next);
        if (chance < 0.0) break;
        const auto length = static_cast<size_t>(choices[next].length++);
        if (length == 0) extra += options[next].extraMicros;
        stands[next] = chance;
        tokens += chance;
        const std::vector<double>& surely = options[next].surely;
        sureTokens += surelyStands[next] *= length < surely.size() ? surely[length] : 0.0;
        const double micros = target.micros(rows + 1) + draftingMicros(choices, draft);
        const double rate = tokens / (micros + extra);
        if (rate > bestRateYet && micros - plain * sureTokens <= bounds.mostLoss &&
            StepCosts::isUsual(rows + 1)) {
            bestRateYet = rate;
            best = choices;
        }
    }
    for (DraftChoice& choice : best)
        if (choice.length == 0) choice.source = DraftSource::None;
    return best;
}

}  // namespace engine
