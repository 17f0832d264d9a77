#include "engine/speculate/draft_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace engine {
namespace {

constexpr int kReadAtOnce = 32;         ///< rows that are computed along with the first guess
constexpr double kEnoughTrials = 20.0;  ///< to know how good a draft model is

}  // namespace

size_t DraftPolicy::matchClass(int matched) {
    size_t at = kMatchClasses.size() - 1;
    while (at > 0 && matched < kMatchClasses[at]) --at;
    return at;
}

double DraftPolicy::ngramChance(const Account& account, int matched) const {
    const size_t at = matchClass(matched);
    return account.ngram[at].estimate(ngram_[at].estimate(kMatchPriors[at]));
}

double DraftPolicy::modelChance(const Account& account) const {
    return account.model.estimate(model_.estimate(kModelPrior));
}

void DraftPolicy::ngramJudged(uint64_t id, int matched, int stood, bool fell) {
    Account& account = accounts_[id];
    for (int i = 0; i < stood + (fell ? 1 : 0); ++i) {
        const size_t at = matchClass(matched + i);
        account.ngram[at].add(i < stood);
        ngram_[at].add(i < stood);
    }
}

void DraftPolicy::modelJudged(uint64_t id, int stood, bool fell) {
    Account& account = accounts_[id];
    account.isProbing = false;
    for (int i = 0; i < stood + (fell ? 1 : 0); ++i) {
        account.model.add(i < stood);
        model_.add(i < stood);
    }
}

/// Time that the next step may lose.
double DraftPolicy::allowanceOf(const Candidate& candidate, double plainMicros) {
    const Account& account = accounts_[candidate.id];
    return account.times.plain - account.times.actual + account.invested +
           kMostLoss * (account.times.plain + plainMicros * std::min(candidate.remaining, kHorizon));
}

/// Whether a prompt that the draft model has not seen is worth its time: an investment into the rest of the
/// reply. One into a model that is not known yet has to be small.
bool DraftPolicy::mayRead(const Candidate& candidate, double plainMicros, const StepCosts& draft) const {
    if (candidate.behind <= kReadAtOnce) return true;
    constexpr int kSoon = 256;  ///< tokens in which it has to come back
    const double rest = plainMicros * std::min(candidate.remaining, kSoon);
    if (model_.trials() < kEnoughTrials) return candidate.behindMicros <= kFirstInvestment * rest;
    const double chance = model_.estimate(kModelPrior);
    double tokens = 1.0, stands = 1.0, best = 1.0 / target_.micros(1);
    for (int length = 1; length < 8; ++length) {
        tokens += stands *= chance;
        best = std::max(best, tokens / (length * draft.micros(1) + target_.micros(1 + length)));
    }
    constexpr double kCautious = 0.4;  // of what it promises to save
    return candidate.behindMicros <= kCautious * rest * (1.0 - 1.0 / (best * target_.micros(1)));
}

DraftCandidate DraftPolicy::chancesOf(const Candidate& candidate, double plainMicros,
                                      const StepCosts* draft) {
    DraftCandidate chances;
    if (candidate.most <= 0) return chances;
    const Account& account = accounts_[candidate.id];
    for (int i = 0; i < std::min(candidate.found, candidate.most); ++i) {
        const size_t at = matchClass(candidate.matched + i);
        chances.ngram.acceptance.push_back(ngramChance(account, candidate.matched + i));
        chances.ngram.surely.push_back(account.ngram[at].atLeast(ngram_[at]));
    }
    if (candidate.behind < 0 || draft == nullptr || !mayRead(candidate, plainMicros, *draft)) return chances;
    chances.model.acceptance.assign(static_cast<size_t>(candidate.most), modelChance(account));
    chances.model.surely.assign(static_cast<size_t>(candidate.most), account.model.atLeast(model_));
    // What came since the last guess is read with the next one; a prompt is an investment into many.
    constexpr int kSpread = 64;  ///< steps
    chances.model.extraMicros = candidate.behindMicros;
    if (candidate.behind > kReadAtOnce)
        chances.model.extraMicros /= std::clamp(candidate.remaining / 2, 1, kSpread);
    return chances;
}

std::vector<DraftChoice> DraftPolicy::choose(std::span<const Candidate> candidates, const StepCosts* draft,
                                             int mostRows) {
    std::vector<DraftChoice> choices(candidates.size());
    ++stepsSinceCheck_;
    if (candidates.empty() || !target_.isKnown()) return choices;
    if (std::abs(drift_) > kMostDrift && stepsSinceCheck_ >= kLeastBetweenChecks) {
        // Verified steps say that the machine has changed; what a plain one takes now must be seen.
        stepsSinceCheck_ = 0;
        return choices;
    }
    const double plain = target_.micros(static_cast<int>(candidates.size()));
    double allowance = std::numeric_limits<double>::infinity();
    for (const Candidate& candidate : candidates)
        if (candidate.most > 0) allowance = std::min(allowance, allowanceOf(candidate, plain));
    std::vector<DraftCandidate> chances;
    // The replies of a step share its time.
    const double share = plain / static_cast<double>(candidates.size());
    for (const Candidate& candidate : candidates) chances.push_back(chancesOf(candidate, share, draft));
    choices = planDrafts(chances, target_, draft, {mostRows, allowance});
    if (draft != nullptr) probe(candidates, *draft, allowance, mostRows, choices);
    for (size_t i = 0; i < candidates.size(); ++i)
        if (choices[i].source == DraftSource::Model && candidates[i].behind > kReadAtOnce)
            accounts_[candidates[i].id].reading = candidates[i].behindMicros;
    return choices;
}

/// Once the draft model does not pay, a short draft now and then shows whether it would again.
void DraftPolicy::probe(std::span<const Candidate> candidates, const StepCosts& draft, double allowance,
                        int mostRows, std::vector<DraftChoice>& choices) {
    int rows = static_cast<int>(candidates.size());
    for (const DraftChoice& choice : choices) rows += choice.length;
    if (rows + kProbeLength > mostRows) return;
    for (size_t i = 0; i < candidates.size(); ++i) {
        const Candidate& candidate = candidates[i];
        if (candidate.behind < 0 || candidate.most < kProbeLength || choices[i].length > 0) continue;
        Account& account = accounts_[candidate.id];
        const double cost = kProbeLength * draft.micros(1) + target_.micros(rows + kProbeLength) -
                            target_.micros(rows) + candidate.behindMicros;
        if (!account.isProbing &&
            (cost > kProbeShare * account.times.plain / static_cast<double>(candidates.size()) -
                        account.probed ||
             cost > allowance))
            continue;
        // Not when it could not pay even if it were better than it is known to be.
        DraftCandidate hopeful;
        const double doubt = 1.0 / std::sqrt(model_.trials() + 4.0);
        hopeful.model.acceptance.assign(static_cast<size_t>(candidate.most),
                                        std::min(0.98, modelChance(account) + doubt));
        if (planDrafts({&hopeful, 1}, target_, &draft, {mostRows}).front().length == 0) continue;
        if (!account.isProbing) account.probed += cost;
        account.isProbing = true;
        choices[i] = {DraftSource::Model, kProbeLength};
        return;
    }
}

void DraftPolicy::stepTaken(const Step& step, std::span<const uint64_t> ids) {
    if (step.sequences <= 0 || !target_.isKnown()) return;
    const bool isKnown = step.targetMicros > 0.0;
    const double took = step.draftMicros + (isKnown ? step.targetMicros : target_.micros(step.rows));
    if (isKnown && step.rows == step.sequences) {
        target_.observePlain(step.rows, step.targetMicros);
        drift_ = 0.0;
    } else if (isKnown) {
        const double before = target_.micros(step.rows);
        target_.observeVerify(step.rows, step.sequences, step.targetMicros);
        drift_ += std::log(target_.micros(step.rows) / before);
    }
    // A plain step neither gains nor loses, whatever it took.
    const double tokens = static_cast<double>(step.sequences + step.accepted) / step.sequences;
    const double plain = step.isPlain() ? took : target_.micros(step.sequences) * tokens;
    for (const uint64_t id : ids) {
        Account& account = accounts_[id];
        account.times.plain += plain;
        account.times.actual += took;
        account.invested += std::min(step.draftMicros, std::exchange(account.reading, 0.0));
    }
    if (!isKnown) return;
    total_.plain += plain * step.sequences;
    total_.actual += took * step.sequences;
}

double DraftPolicy::gainOf(uint64_t id) const {
    const auto account = accounts_.find(id);
    return account != accounts_.end() ? account->second.times.gain() : 1.0;
}

}  // namespace engine
