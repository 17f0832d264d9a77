#pragma once

#include <functional>
#include <map>
#include <memory>

#include "engine/speculate/draft_policy.h"
#include "engine/speculate/model_drafter.h"
#include "engine/speculate/ngram_drafter.h"
#include "engine/speculate/speculation.h"

namespace engine {

/// Speculative decoding (Leviathan et al. 2023) with coupled draws: drafted tokens become rows of the next
/// step, and each stands while the target's own draw in its row equals it. So the reply is exactly the one
/// without drafts, greedy or sampled; only how many steps it takes changes.
///
/// Before each step it asks the policy what every decoding sequence drafts and has it drafted; after the step
/// it tells the policy what came of it. A draft model on the target's device leaves its guesses there, and
/// they become known with the target's own draws: drafting waits for nothing. Engine thread only.
class Speculator {
  public:
    using Clock = std::function<std::chrono::nanoseconds()>;

    /// `model` null: n-gram drafts only. `sharesDevice`: it runs on the target's Ops.
    Speculator(bool fromOtherChats, std::unique_ptr<ModelDrafter> model, bool sharesDevice, Clock clock);
    /// What the target's steps cost; `Auto` drafts nothing before it knows.
    void setCosts(const StepCosts& target) { policy_.setCosts(target); }
    bool knowsCosts() const { return policy_.costs().isKnown(); }

    /// Sets `draft` of each sequence, all of which have one token left to compute. `mostRows` bounds the rows
    /// of the step, drafted or not.
    void propose(std::span<Sequence* const> decoding, int mostRows);
    /// Whether propose would draft nothing once each has one more token, whatever the tokens are: for sure,
    /// but for `Auto` as far as costs and chances stay what they are. In place of propose where the tokens of
    /// the next step's rows are not known yet.
    bool staysPlain(std::span<Sequence* const> decoding, int mostRows);
    /// The step has run: guesses that only the device knew come to `draft` of their sequences. `sequences`:
    /// those that are still there.
    void collect(std::span<Sequence* const> sequences);

    struct StepPart {
        uint64_t sequence;
        int drafted, accepted;
    };
    /// A step that has run, of `rows` decode rows. `time` 0: it did other things too, and its time says
    /// nothing about decoding.
    void stepTaken(std::span<const StepPart> parts, int rows, std::chrono::nanoseconds time);
    /// The sequence has ended.
    void forget(const Sequence& sequence);
    /// Nothing is to do: the draft model reads on in conversations that have ended and may go on, some 20 ms
    /// of it. False when it had read all.
    bool prepareSome();
    /// The conversation is deleted: nothing of it, or of any, stays for drafts.
    void erase(std::span<const TokenId> conversation);
    void eraseAll();

    bool hasModel() const { return model_ != nullptr; }
    size_t deviceBytes() const { return model_ != nullptr ? model_->deviceBytes() : 0; }
    SpeculationStats stats() const;
    /// Times faster than without drafts, of a running reply.
    double gainOf(uint64_t sequence) const { return policy_.gainOf(sequence); }
    void checkIntegrity() const;

  private:
    /// What was guessed for a sequence and not yet judged.
    struct Track {
        size_t seen = 0;  ///< tokens of the sequence when it was looked at last
        NgramDrafter::Found ngram;
        std::vector<TokenId> drafted;  ///< by the model
    };

    bool usesModel() const { return model_ != nullptr && isModelSound_; }
    void learn(uint64_t id, Track& track, const Sequence& sequence);
    Track& look(const Sequence& sequence);
    int mostFor(const Sequence& sequence) const;
    DraftPolicy::Candidate candidate(const Sequence& sequence, const Track& track) const;
    std::vector<DraftChoice> choose(std::span<Sequence* const> decoding, int mostRows);
    void askModel(std::span<Sequence* const> decoding, std::span<const DraftChoice> choices);
    void abandonModel(std::span<Sequence* const> decoding);
    void splitTime(DraftPolicy::Step& step, std::chrono::nanoseconds time);

    DraftPolicy policy_;
    std::unique_ptr<ModelDrafter> model_;
    bool sharesDevice_;
    bool isModelSound_ = true;  ///< no device has failed under it
    NgramDrafter ngrams_;
    Clock clock_;
    std::map<uint64_t, Track> tracks_;
    std::vector<uint64_t> asked_;              ///< whom the model drafts for in this step
    std::chrono::nanoseconds draftingTime_{};  ///< that the host spent on the model's drafts of this step
    int64_t drafted_ = 0, accepted_ = 0;
};

}  // namespace engine
