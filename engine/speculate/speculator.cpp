#include "engine/speculate/speculator.h"

#include <algorithm>
#include <exception>

#include "engine/durations.h"

namespace engine {
namespace {

constexpr int kFixedNgram = 7, kFixedModel = 3;  ///< draft lengths of the modes that do not choose

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

Speculator::Speculator(bool fromOtherChats, std::unique_ptr<ModelDrafter> model, bool sharesDevice,
                       Clock clock)
    : model_(std::move(model)),
      sharesDevice_(sharesDevice),
      ngrams_(fromOtherChats),
      clock_(std::move(clock)) {}

/// Compares what was proposed with what came.
void Speculator::learn(uint64_t id, Track& track, const Sequence& sequence) {
    const std::span<const TokenId> came = std::span(sequence.tokens).subspan(track.seen);
    const auto judge = [&](const std::vector<TokenId>& guesses, const auto& tell) {
        const size_t most = std::min(came.size(), guesses.size());
        size_t stood = 0;
        while (stood < most && came[stood] == guesses[stood]) ++stood;
        if (most > 0) tell(static_cast<int>(stood), stood < most);
    };
    judge(track.ngram.tokens,
          [&](int stood, bool fell) { policy_.ngramJudged(id, track.ngram.matched, stood, fell); });
    judge(track.drafted, [&](int stood, bool fell) { policy_.modelJudged(id, stood, fell); });
    track.ngram = {};
    track.drafted.clear();
    track.seen = sequence.tokens.size();
}

/// The row after the last drafted token draws one more, which must still be wanted.
int Speculator::mostFor(const Sequence& sequence) const {
    return std::min(DraftPolicy::kMostDrafted,
                    sequence.maxTokens - static_cast<int>(sequence.tokens.size()) - 1);
}

/// Judges what was guessed for it, and guesses again where that costs nothing.
Speculator::Track& Speculator::look(const Sequence& sequence) {
    Track& track = tracks_[sequence.id];
    learn(sequence.id, track, sequence);
    if (const int most = mostFor(sequence); most > 0 && sequence.speculation != SpeculationMode::Draft)
        track.ngram = ngrams_.find(sequence, most);
    return track;
}

DraftPolicy::Candidate Speculator::candidate(const Sequence& sequence, const Track& track) const {
    DraftPolicy::Candidate candidate;
    candidate.id = sequence.id;
    candidate.most = mostFor(sequence);
    candidate.remaining = sequence.maxTokens - static_cast<int>(sequence.tokens.size());
    candidate.found = static_cast<int>(track.ngram.tokens.size());
    candidate.matched = track.ngram.matched;
    if (!usesModel()) return candidate;
    candidate.behind = model_->behind(sequence) - 1;
    candidate.behindMicros = model_->catchUpMicros(candidate.behind);
    return candidate;
}

std::vector<DraftChoice> Speculator::choose(std::span<Sequence* const> decoding, int mostRows) {
    std::vector<DraftChoice> choices(decoding.size());
    std::vector<DraftPolicy::Candidate> candidates(decoding.size());
    int rowsLeft = mostRows - static_cast<int>(decoding.size());
    for (size_t i = 0; i < decoding.size(); ++i) {
        Sequence& sequence = *decoding[i];
        const int most = mostFor(sequence);
        if (sequence.speculation == SpeculationMode::Off) continue;
        const Track& track = look(sequence);
        if (most <= 0) continue;
        if (sequence.speculation == SpeculationMode::Auto) {
            candidates[i] = candidate(sequence, track);
            continue;
        }
        const bool isModel = sequence.speculation == SpeculationMode::Draft;
        const int found = isModel ? (usesModel() ? most : 0) : static_cast<int>(track.ngram.tokens.size());
        choices[i].length = std::min({found, isModel ? kFixedModel : kFixedNgram, std::max(0, rowsLeft)});
        choices[i].source = isModel ? DraftSource::Model : DraftSource::Ngram;
        rowsLeft -= choices[i].length;
    }
    if (std::ranges::none_of(decoding, [](const Sequence* sequence) {
            return sequence->speculation == SpeculationMode::Auto;
        }))
        return choices;
    // Sequences of fixed modes count as one plain row each: the step is theirs too.
    const std::vector<DraftChoice> planned = policy_.choose(
        candidates, usesModel() ? &model_->costs() : nullptr, static_cast<int>(decoding.size()) + rowsLeft);
    for (size_t i = 0; i < choices.size(); ++i)
        if (decoding[i]->speculation == SpeculationMode::Auto) choices[i] = planned[i];
    return choices;
}

void Speculator::askModel(std::span<Sequence* const> decoding, std::span<const DraftChoice> choices) {
    std::vector<DraftRequest> requests;
    std::vector<Sequence*> asked;
    for (size_t i = 0; i < decoding.size(); ++i) {
        if (choices[i].source != DraftSource::Model || choices[i].length == 0) continue;
        requests.push_back({decoding[i], choices[i].length});
        asked.push_back(decoding[i]);
    }
    if (requests.empty()) return;
    const auto begun = model_->begin(requests);
    for (size_t i = 0; i < asked.size(); ++i) {
        asked_.push_back(asked[i]->id);
        asked[i]->draft.assign(static_cast<size_t>(begun[i].tokens), 0);
        asked[i]->draftOnDevice = sharesDevice_ ? begun[i].ids : nullptr;
    }
    if (!sharesDevice_) collect(asked);
}

void Speculator::collect(std::span<Sequence* const> sequences) {
    if (asked_.empty()) return;
    const auto proposals = model_->collect();
    for (size_t i = 0; i < asked_.size(); ++i) {
        if (const auto track = tracks_.find(asked_[i]); track != tracks_.end())
            track->second.drafted = proposals[i];
        const auto sequence =
            std::ranges::find(sequences, asked_[i], [](const Sequence* s) { return s->id; });
        if (sequence == sequences.end()) continue;
        // One that gave up its blocks meanwhile has no draft any more.
        if (!(*sequence)->draft.empty()) (*sequence)->draft = proposals[i];
        (*sequence)->draftOnDevice = nullptr;
    }
    asked_.clear();
}

/// A device has failed under the draft model. Guesses are not worth a reply: all go on without them. A device
/// that is gone says so once more when the target computes.
void Speculator::abandonModel(std::span<Sequence* const> decoding) {
    model_->abandon();
    isModelSound_ = false;
    for (Sequence* sequence : decoding)
        if (std::ranges::find(asked_, sequence->id) != asked_.end()) sequence->draft.clear();
    for (Sequence* sequence : decoding) sequence->draftOnDevice = nullptr;
    asked_.clear();
}

void Speculator::propose(std::span<Sequence* const> decoding, int mostRows) {
    try {
        collect(decoding);  // of a step that did not come to run
    } catch (const std::exception&) {
        abandonModel(decoding);
    }
    const std::vector<DraftChoice> choices = choose(decoding, mostRows);
    for (size_t i = 0; i < decoding.size(); ++i) {
        decoding[i]->draft.clear();
        decoding[i]->draftOnDevice = nullptr;
        if (choices[i].source != DraftSource::Ngram || choices[i].length == 0) continue;
        const std::vector<TokenId>& tokens = tracks_[decoding[i]->id].ngram.tokens;
        decoding[i]->draft.assign(tokens.begin(), tokens.begin() + choices[i].length);
    }
    const auto start = clock_();
    try {
        askModel(decoding, choices);
    } catch (const std::exception&) {
        abandonModel(decoding);
    }
    draftingTime_ = clock_() - start;
}

bool Speculator::staysPlain(std::span<Sequence* const> decoding, int mostRows) {
    std::vector<DraftPolicy::Candidate> candidates(decoding.size());
    for (size_t i = 0; i < decoding.size(); ++i) {
        const Sequence& sequence = *decoding[i];
        const SpeculationMode mode = sequence.speculation;
        if (mode == SpeculationMode::Off) continue;
        if (mode != SpeculationMode::Ngram && usesModel()) return false;
        if (mode == SpeculationMode::Draft) continue;
        const Track& track = look(sequence);
        const int most = mostFor(sequence) - 1;
        if (most <= 0 || !ngrams_.mayFind(sequence)) continue;
        if (mode == SpeculationMode::Ngram) return false;
        // The best that may come.
        candidates[i] = candidate(sequence, track);
        candidates[i].most = candidates[i].found = most;
        candidates[i].matched = std::max(track.ngram.matched, NgramIndex::kShortest - 1) + 1;
    }
    return !policy_.wouldDraft(candidates, mostRows);
}

/// Where the device runs ahead, the host's clock sees drafts and verification as one.
void Speculator::splitTime(DraftPolicy::Step& step, std::chrono::nanoseconds time) {
    const double expected = model_ != nullptr ? model_->takeBegunMicros() : 0.0;
    if (time.count() <= 0) {
        step.draftMicros = expected;
        return;
    }
    step.targetMicros = inMicros(time);
    if (expected <= 0.0) return;
    step.draftMicros = inMicros(draftingTime_);
    if (!model_->runsAhead()) return;
    if (!sharesDevice_) {
        if (!model_->hasRead()) model_->scaleCosts(step.draftMicros / expected);
        return;
    }
    const double all = inMicros(time + draftingTime_), target = policy_.costs().micros(step.rows);
    if (!model_->hasRead() && target > 0.0) {
        const double ratio = all / (expected + target);
        model_->scaleCosts(ratio);
        step.draftMicros = expected * ratio;
    } else {
        step.draftMicros = std::max(0.0, all - target);
    }
    step.targetMicros = all - step.draftMicros;
}

void Speculator::stepTaken(std::span<const StepPart> parts, int rows, std::chrono::nanoseconds time) {
    DraftPolicy::Step step;
    step.rows = rows;
    step.sequences = static_cast<int>(parts.size());
    std::vector<uint64_t> ids;
    for (const StepPart& part : parts) {
        drafted_ += part.drafted;
        accepted_ += part.accepted;
        step.accepted += part.accepted;
        if (tracks_.contains(part.sequence)) ids.push_back(part.sequence);
    }
    splitTime(step, time);
    policy_.stepTaken(step, ids);
    draftingTime_ = {};
}

void Speculator::forget(const Sequence& sequence) {
    if (const auto track = tracks_.find(sequence.id); track != tracks_.end()) {
        learn(sequence.id, track->second, sequence);
        tracks_.erase(track);
        policy_.forget(sequence.id);
        ngrams_.forget(sequence);
        if (model_ != nullptr) model_->forget(sequence);
    }
    if (!usesModel()) return;
    const bool mayPay = policy_.modelMayPay(model_->costs());
    if (sequence.speculation == SpeculationMode::Draft ||
        (sequence.speculation == SpeculationMode::Auto && mayPay))
        model_->prepareLater(sequence);
}

bool Speculator::prepareSome() {
    if (!usesModel()) return false;
    try {
        return model_->prepareSome();
    } catch (const std::exception&) {
        abandonModel({});
        return false;
    }
}

void Speculator::erase(std::span<const TokenId> conversation) {
    ngrams_.eraseOthers();
    if (model_ != nullptr) model_->erase(conversation);
}

void Speculator::eraseAll() {
    ngrams_.eraseOthers();
    if (model_ != nullptr) model_->eraseAll();
}

SpeculationStats Speculator::stats() const {
    SpeculationStats stats{drafted_, accepted_, policy_.gain()};
    if (model_ == nullptr) return stats;
    stats.preparedTokens = model_->preparedTokens();
    stats.keptTokens = model_->keptTokens();
    return stats;
}

void Speculator::checkIntegrity() const {
    if (model_ != nullptr) model_->checkIntegrity();
}

}  // namespace engine
