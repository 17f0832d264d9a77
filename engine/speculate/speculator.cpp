#include "engine/speculate/speculator.h"

#include <algorithm>

namespace engine {
namespace {

constexpr int kFixedNgram = 8, kFixedModel = 4;  ///< draft lengths of the modes that do not choose

double inMicros(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

}  // namespace

const char* toString(SpeculationMode mode) {
    switch (mode) {
        case SpeculationMode::Off:
            return "off";
        case SpeculationMode::Ngram:
            return "ngram";
        case SpeculationMode::Draft:
            return "draft";
        case SpeculationMode::Auto:
            return "auto";
    }
    return "";
}

std::optional<SpeculationMode> speculationMode(std::string_view name) {
    for (const SpeculationMode mode :
         {SpeculationMode::Off, SpeculationMode::Ngram, SpeculationMode::Draft, SpeculationMode::Auto})
        if (name == toString(mode)) return mode;
    return std::nullopt;
}

Speculator::Speculator(bool fromOtherChats, std::unique_ptr<ModelDrafter> model, Clock clock)
    : model_(std::move(model)), ngrams_(fromOtherChats), clock_(std::move(clock)) {}

size_t Speculator::matchClass(int matched) {
    size_t at = kMatchClasses.size() - 1;
    while (at > 0 && matched < kMatchClasses[at]) --at;
    return at;
}

double Speculator::ngramChance(const Track& track, int matched) const {
    const size_t at = matchClass(matched);
    return track.ngramAcceptance[at].estimate(ngramAcceptance_[at].estimate(kMatchPriors[at]));
}

double Speculator::modelChance(const Track& track) const {
    return track.modelAcceptance.estimate(modelAcceptance_.estimate(kModelPrior));
}

/// Compares what was proposed with what came. N-gram proposals are judged whether they were drafted or not,
/// so watching for them to become worth it costs nothing.
void Speculator::learn(Track& track, const Sequence& sequence) {
    const std::span<const TokenId> came = std::span(sequence.tokens).subspan(track.seen);
    for (size_t i = 0; i < std::min(came.size(), track.ngram.tokens.size()); ++i) {
        const bool stood = came[i] == track.ngram.tokens[i];
        const size_t at = matchClass(track.ngram.matched + static_cast<int>(i));
        track.ngramAcceptance[at].add(stood);
        ngramAcceptance_[at].add(stood);
        if (!stood) break;
    }
    for (size_t i = 0; i < std::min(came.size(), track.drafted.size()); ++i) {
        const bool stood = came[i] == track.drafted[i];
        track.modelAcceptance.add(stood);
        modelAcceptance_.add(stood);
        if (!stood) break;
    }
    track.ngram = {};
    track.drafted.clear();
    track.seen = sequence.tokens.size();
}

/// The row after the last drafted token draws one more, which must still be wanted.
int Speculator::mostFor(const Sequence& sequence) const {
    return std::min(kMostDrafted, sequence.maxTokens - static_cast<int>(sequence.tokens.size()) - 1);
}

DraftCandidate Speculator::candidate(const Track& track, const Sequence& sequence) const {
    DraftCandidate candidate;
    for (size_t i = 0; i < track.ngram.tokens.size(); ++i)
        candidate.ngram.acceptance.push_back(ngramChance(track, track.ngram.matched + static_cast<int>(i)));
    if (model_ != nullptr) {
        candidate.model.acceptance.assign(static_cast<size_t>(mostFor(sequence)), modelChance(track));
        // A prompt that the draft model has not read is an investment into the rest of the reply.
        constexpr int kHorizonSteps = 64;
        const int steps =
            std::clamp((sequence.maxTokens - static_cast<int>(sequence.tokens.size())) / 2, 1, kHorizonSteps);
        candidate.model.extraMicros =
            (model_->behind(sequence) - 1) * model_->microsPerPrefillToken() / steps;
    }
    return candidate;
}

std::vector<DraftChoice> Speculator::choose(std::span<Sequence* const> decoding, int mostRows) {
    std::vector<DraftChoice> choices(decoding.size());
    std::vector<DraftCandidate> candidates(decoding.size());
    int rowsLeft = mostRows - static_cast<int>(decoding.size());
    for (size_t i = 0; i < decoding.size(); ++i) {
        Sequence& sequence = *decoding[i];
        const int most = mostFor(sequence);
        if (sequence.speculation == SpeculationMode::Off || most <= 0) continue;
        Track& track = tracks_[sequence.id];
        learn(track, sequence);
        if (sequence.speculation != SpeculationMode::Draft) track.ngram = ngrams_.find(sequence, most);
        if (sequence.speculation == SpeculationMode::Auto) {
            candidates[i] = candidate(track, sequence);
            continue;
        }
        const bool isModel = sequence.speculation == SpeculationMode::Draft;
        const int found = isModel ? (hasModel() ? most : 0) : static_cast<int>(track.ngram.tokens.size());
        choices[i].length = std::min({found, isModel ? kFixedModel : kFixedNgram, std::max(0, rowsLeft)});
        choices[i].source = isModel ? DraftSource::Model : DraftSource::Ngram;
        rowsLeft -= choices[i].length;
    }
    // Sequences of fixed modes count as one plain row each: the step is theirs too.
    const std::vector<DraftChoice> planned =
        planDrafts(candidates, target_, model_ != nullptr ? &model_->costs() : nullptr,
                   static_cast<int>(decoding.size()) + rowsLeft);
    for (size_t i = 0; i < choices.size(); ++i)
        if (decoding[i]->speculation == SpeculationMode::Auto) choices[i] = planned[i];
    return choices;
}

/// Once the draft model does not pay, a short draft now and then shows whether it would again.
void Speculator::probe(std::span<Sequence* const> decoding, std::vector<DraftChoice>& choices) {
    if (model_ == nullptr || !target_.isKnown()) return;
    for (size_t i = 0; i < decoding.size(); ++i) {
        const Sequence& sequence = *decoding[i];
        if (sequence.speculation != SpeculationMode::Auto || choices[i].length > 0 ||
            mostFor(sequence) < kProbeLength || (probed_ != 0 && probed_ != sequence.id))
            continue;
        const int rows = static_cast<int>(decoding.size());
        const double cost = kProbeLength * model_->costs().micros(1) + target_.micros(rows + kProbeLength) -
                            target_.micros(rows) +
                            (model_->behind(sequence) - 1) * model_->microsPerPrefillToken();
        if (probed_ == 0 && cost > probeMicros_) continue;
        if (probed_ == 0) probeMicros_ -= cost;
        probed_ = sequence.id;
        choices[i] = {DraftSource::Model, kProbeLength};
        return;
    }
}

void Speculator::askModel(std::span<Sequence* const> decoding, std::span<const DraftChoice> choices) {
    std::vector<DraftRequest> requests;
    std::vector<size_t> asked;
    for (size_t i = 0; i < decoding.size(); ++i) {
        if (choices[i].source != DraftSource::Model || choices[i].length == 0) continue;
        requests.push_back({decoding[i], choices[i].length});
        asked.push_back(i);
    }
    if (requests.empty()) return;
    const auto proposals = model_->propose(requests);
    for (size_t i = 0; i < asked.size(); ++i) {
        Sequence& sequence = *decoding[asked[i]];
        sequence.draft = proposals[i];
        tracks_[sequence.id].drafted = proposals[i];
        if (sequence.id == probed_ && !proposals[i].empty()) probed_ = 0;
    }
}

void Speculator::propose(std::span<Sequence* const> decoding, int mostRows) {
    const auto start = clock_();
    std::vector<DraftChoice> choices = choose(decoding, mostRows);
    probe(decoding, choices);
    for (size_t i = 0; i < decoding.size(); ++i) {
        decoding[i]->draft.clear();
        if (choices[i].source != DraftSource::Ngram || choices[i].length == 0) continue;
        const std::vector<TokenId>& tokens = tracks_[decoding[i]->id].ngram.tokens;
        decoding[i]->draft.assign(tokens.begin(), tokens.begin() + choices[i].length);
    }
    askModel(decoding, choices);
    draftingMicros_ = inMicros(clock_() - start);
}

void Speculator::stepTaken(const StepRows& step, std::chrono::nanoseconds time) {
    drafted_ += step.drafted;
    accepted_ += step.accepted;
    const double micros = inMicros(time);
    if (micros > 0.0 && step.sequences > 0) {
        target_.observe(step.rows, micros);
        probeMicros_ += kProbeShare * micros;
        plainMicros_ += target_.micros(step.sequences) * (step.sequences + step.accepted) / step.sequences;
        actualMicros_ += micros + draftingMicros_;
    }
    draftingMicros_ = 0.0;
}

void Speculator::forget(const Sequence& sequence) {
    const auto track = tracks_.find(sequence.id);
    if (track == tracks_.end()) return;
    learn(track->second, sequence);
    tracks_.erase(track);
    ngrams_.forget(sequence);
    if (model_ != nullptr) model_->forget(sequence);
    if (probed_ == sequence.id) probed_ = 0;
}

SpeculationStats Speculator::stats() const {
    return {drafted_, accepted_, actualMicros_ > 0.0 ? plainMicros_ / actualMicros_ : 1.0};
}

void Speculator::checkIntegrity() const {
    if (model_ != nullptr) model_->checkIntegrity();
}

}  // namespace engine
