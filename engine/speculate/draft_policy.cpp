#include "engine/speculate/draft_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace engine {
namespace {

constexpr int kReadAtOnce = 32;  ///< rows that are computed along with the first guess

}  // namespace

size_t DraftPolicy::matchClass(int matched) {
    size_t at = kMatchClasses.size() - 1;
    while (at > 0 && matched < kMatchClasses[at]) --at;
    return at;
}

double DraftPolicy::ngramChance(const Account& account, int matched) const {
    const size_t at = matchClass(matched);
    const double before = ngram_[at].estimate(kMatchPriors[at]);
    return account.ngram[at].estimate(kAlike * before + (1.0 - kAlike) * kMatchPriors[at]);
}

double DraftPolicy::modelChance(const Account& account) const {
    return account.model.estimate(model_.estimate(kModelPrior));
}

double DraftPolicy::modelSurely(const Account& account) const {
    // A model differs less from reply to reply than n-grams do, and the reply's own trials say it better.
    return account.model.atLeast(model_, std::max(8.0, 24.0 - account.model.trials()));
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

/// Time that the next step may lose: a part of what the reply may, so that a first guess that falls does not
/// end all guessing.
double DraftPolicy::allowanceOf(const Candidate& candidate, double plainMicros) {
    const Account& account = accounts_[candidate.id];
    const double gained = account.times.plain - account.times.actual + account.invested;
    const double rest = expectedRest(candidate, account);
    const auto share = [&](int horizon) {
        return kMostLoss * (account.times.plain + plainMicros * std::min<double>(rest, horizon));
    };
    return std::min(std::max(gained, 0.0) + share(kStepHorizon), gained + share(kHorizon));
}

/// Tokens that the reply will hardly be without: its limit is often the whole context.
double DraftPolicy::expectedRest(const Candidate& candidate, const Account& account) const {
    constexpr double kLeast = 32.0;  // for a reply that is longer than usual
    return std::min<double>(candidate.remaining, std::max(usualTokens_ - account.tokens, kLeast));
}

/// Micros of a token when the model drafts as many as are best.
double DraftPolicy::paceWithModel(double chance, double plainMicros, const StepCosts& draft) const {
    double tokens = 1.0, stands = 1.0, best = 1.0 / target_.micros(1);
    for (int length = 1; length < 8; ++length) {
        tokens += stands *= chance;
        best = std::max(best, tokens / (length * draft.micros(1) + target_.micros(1 + length)));
    }
    return plainMicros / (best * target_.micros(1));
}

/// Whether a prompt that the draft model has not seen is worth its time.
bool DraftPolicy::mayRead(const Candidate& candidate, double plainMicros, const StepCosts& draft) {
    Account& account = accounts_[candidate.id];
    account.modelPace = 0.0;
    if (candidate.behind <= kReadAtOnce) {
        account.missed = 0.0;
        return true;
    }
    if (account.isReading) return true;
    const double chance = modelChance(account), rest = expectedRest(candidate, account);
    account.modelPace = paceWithModel(chance, plainMicros, draft);
    const double ownPace = account.ownPace(plainMicros);
    constexpr double kCautious = 0.4;  // of what it promises to save
    if (candidate.behindMicros > kCautious * rest * (ownPace - account.modelPace)) return false;
    // What it costs if the model is worse in this reply than in others.
    const double surely = std::max(0.0, ownPace - paceWithModel(modelSurely(account), plainMicros, draft));
    // Of what the reply has gained, only for a model that is known.
    const double trust = model_.trials() / (model_.trials() + 20.0) / 4.0;
    const double gained = account.tokens * plainMicros * std::max(0.0, 1.0 - 1.0 / account.times.gain());
    const double bound = kInvested * (account.tokens + rest) * plainMicros - account.invested +
                         trust * gained + kCautious * rest * surely;
    if (candidate.behindMicros > bound) return false;
    // A reply that it has drafted in says what it is worth; another may yet turn out to quote.
    const double wait = account.model.trials() >= 8.0 ? 0.25 : 1.0;
    return account.missed >= wait * candidate.behindMicros;
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
    chances.model.surely.assign(static_cast<size_t>(candidate.most), modelSurely(account));
    // What it has to read is an investment into more guesses than the next ones.
    const double most = candidate.behind > kReadAtOnce ? 64.0 : 8.0;  // steps
    const double spread = std::clamp(expectedRest(candidate, account) / 2.0, 1.0, most);
    chances.model.extraMicros = candidate.behindMicros / spread;
    return chances;
}

/// Of a step: no reply may lose more than it can bear.
double DraftPolicy::allowanceOf(std::span<const Candidate> candidates) {
    const double plain = target_.micros(static_cast<int>(candidates.size()));
    double allowance = std::numeric_limits<double>::infinity();
    for (const Candidate& candidate : candidates)
        if (candidate.most > 0) allowance = std::min(allowance, allowanceOf(candidate, plain));
    return allowance;
}

std::vector<DraftChoice> DraftPolicy::plan(std::span<const Candidate> candidates, const StepCosts* draft,
                                           const DraftBounds& bounds) {
    const auto count = static_cast<int>(candidates.size());
    std::vector<DraftCandidate> chances;
    // The replies of a step share its time.
    const double share = target_.micros(count) / count;
    for (const Candidate& candidate : candidates) chances.push_back(chancesOf(candidate, share, draft));
    return planDrafts(chances, target_, draft, bounds);
}

bool DraftPolicy::wouldDraft(std::span<const Candidate> candidates, int mostRows) {
    if (candidates.empty() || !target_.isKnown()) return false;
    const auto choices = plan(candidates, nullptr, {mostRows, allowanceOf(candidates)});
    return std::ranges::any_of(choices, [](const DraftChoice& choice) { return choice.length > 0; });
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
    const double allowance = allowanceOf(candidates);
    choices = plan(candidates, draft, {mostRows, allowance});
    if (draft != nullptr) probe(candidates, *draft, allowance, mostRows, choices);
    for (size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i].most <= 0) continue;
        Account& account = accounts_[candidates[i].id];
        account.isReading = choices[i].source == DraftSource::Model && candidates[i].behind > kReadAtOnce;
        if (account.isReading) account.reading = candidates[i].behindMicros;
    }
    return choices;
}

/// Whether a short draft of the model, which costs so much, may show if it pays in this reply. `share`: of a
/// plain step's time.
bool DraftPolicy::mayProbe(const Candidate& candidate, const StepCosts& draft, double share) {
    const Account& account = accounts_[candidate.id];
    // What it will be worth is not known better than other replies differ, and by its own trials.
    const double doubt = 0.35 / std::sqrt(account.model.trials() + 4.0);
    const double hopeful = paceWithModel(std::min(0.98, modelChance(account) + doubt), share, draft);
    if (hopeful * kLeastGain > std::min(share, account.ownPace(share))) return false;
    if (candidate.behind <= kReadAtOnce) return true;
    const double whole = (account.tokens + expectedRest(candidate, account)) * share;
    return candidate.behindMicros <= kInvested * whole - account.invested;
}

/// Where the draft model does not seem to pay, a short draft now and then shows whether it would.
void DraftPolicy::probe(std::span<const Candidate> candidates, const StepCosts& draft, double allowance,
                        int mostRows, std::vector<DraftChoice>& choices) {
    int rows = static_cast<int>(candidates.size());
    const double share = target_.micros(rows) / rows;
    for (const DraftChoice& choice : choices) rows += choice.length;
    if (rows + kProbeLength > mostRows) return;
    for (size_t i = 0; i < candidates.size(); ++i) {
        const Candidate& candidate = candidates[i];
        if (candidate.behind < 0 || candidate.most < kProbeLength || choices[i].length > 0) continue;
        Account& account = accounts_[candidate.id];
        const double surely = modelSurely(account);
        const double cost = kProbeLength * draft.micros(1) + target_.micros(rows + kProbeLength) -
                            target_.micros(rows) - share * surely * (1.0 + surely) +
                            (candidate.behind <= kReadAtOnce ? candidate.behindMicros : 0.0);
        if (!account.isProbing && (cost > allowance || !mayProbe(candidate, draft, share))) continue;
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
    const double each = took / step.sequences;
    for (const uint64_t id : ids) {
        Account& account = accounts_[id];
        account.tokens += tokens;
        if (step.draftMicros == 0.0) {
            constexpr double kFade = 0.9;
            account.lateMicros = account.lateMicros * kFade + each;
            account.lateTokens = account.lateTokens * kFade + tokens;
            if (account.modelPace > 0.0)
                account.missed = std::max(account.missed + each - tokens * account.modelPace, -2.0 * each);
        }
        account.times.plain += plain;
        account.times.actual += took;
        account.invested += std::min(step.draftMicros, std::exchange(account.reading, 0.0));
    }
    if (!isKnown) return;
    total_.plain += plain * step.sequences;
    total_.actual += took * step.sequences;
}

bool DraftPolicy::modelMayPay(const StepCosts& draft) const {
    if (!target_.isKnown()) return true;
    constexpr double kHope = 0.15;  // replies differ
    const double plain = target_.micros(1), chance = std::min(0.98, model_.estimate(kModelPrior) + kHope);
    return paceWithModel(chance, plain, draft) * kLeastGain < plain;
}

void DraftPolicy::forget(uint64_t id) {
    const auto account = accounts_.find(id);
    if (account == accounts_.end()) return;
    constexpr double kNew = 0.1;
    usualTokens_ += kNew * (account->second.tokens - usualTokens_);
    accounts_.erase(account);
}

double DraftPolicy::gainOf(uint64_t id) const {
    const auto account = accounts_.find(id);
    return account != accounts_.end() ? account->second.times.gain() : 1.0;
}

}  // namespace engine
