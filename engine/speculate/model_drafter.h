#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "engine/gguf/gguf_file.h"
#include "engine/kv/kv_block_pool.h"
#include "engine/kv/radix_cache.h"
#include "engine/speculate/drafter.h"
#include "engine/speculate/step_costs.h"

namespace engine {

/// Drafts with a smaller model of the same vocabulary, which keeps its own paged KV. It draws with the
/// request's own filters and penalties and the same noise (seed, index in the reply) as the target will, so
/// that the two agree whenever their distributions are close enough, not only at temperature 0.
///
/// Its prefix cache is its own, so a conversation that goes on, or begins as another did, drafts at once.
class ModelDrafter final : public Drafter {
  public:
    using Clock = std::function<std::chrono::nanoseconds()>;
    struct Options {
        int contextTokens = 4096;  ///< of one sequence
        int maxSequences = 64;
        KvType kvType = KvType::F16;
        size_t kvBytes = 0;  ///< 0: planned from free memory
        int targetVocabulary = 0;
    };

    /// `ops` must outlive the drafter, and may be the target's own. Errors as Transformer::load.
    static Result<std::unique_ptr<ModelDrafter>> load(GgufFile file, kernels::Ops& ops,
                                                      const Options& options, Clock clock,
                                                      const LoadProgress& progress);

    /// Guesses that are being drafted: `tokens` of them, at `ids` in the memory of the drafter's device,
    /// until the next begin().
    struct Begun {
        int tokens = 0;
        int32_t* ids = nullptr;
    };
    /// Enqueues one batch for each drafted position, over all sequences that want one; each goes on from the
    /// draws of the one before, on the device, so the host waits for none. A sequence whose KV is far behind
    /// gets a chunk of it computed instead, and no proposal this time.
    std::vector<Begun> begin(std::span<const DraftRequest> requests);
    /// The guesses of the last begin(), in its order. Waits for the device.
    std::vector<std::vector<TokenId>> collect();
    /// begin() and collect().
    std::vector<std::vector<TokenId>> propose(std::span<const DraftRequest> requests) override;
    void forget(const Sequence& sequence) override;

    /// The sequence has ended and its conversation may go on: what of it is not computed yet is worth being
    /// computed when nothing else is to do.
    void prepareLater(const Sequence& sequence);
    /// Computes a part of that, which takes about kMostIdle; false when nothing was to do.
    bool prepareSome();
    /// Erases what only this conversation uses.
    void erase(std::span<const TokenId> tokens);
    void eraseAll();
    /// After an exception: what was stored of running sequences may not have been computed, so it goes.
    void abandon();

    /// Tokens of the sequence that are not computed yet.
    int behind(const Sequence& sequence) const;
    /// Cost of a draft step of so many sequences.
    const StepCosts& costs() const { return costs_; }
    /// What it takes until drafting can begin when so many tokens before the last are not computed yet.
    double catchUpMicros(int behind) const;

    /// Whether its rounds cannot be timed one by one (Ops::runsAhead); then takeBegunMicros() and
    /// scaleCosts() stand in for that.
    bool runsAhead() const { return ops_.runsAhead(); }
    /// What the rounds since the last call are expected to take, 0 if there were none.
    double takeBegunMicros() { return std::exchange(begunMicros_, 0.0); }
    bool hasRead() const { return hasRead_; }  ///< the last begin() computed parts of prompts
    /// The last rounds took `ratio` times what was expected.
    void scaleCosts(double ratio);
    size_t deviceBytes() const { return deviceBytes_; }
    int64_t preparedTokens() const { return prepared_; }           ///< by prepareSome()
    int64_t keptTokens() const { return cache_->stats().tokens; }  ///< by the prefix cache
    void checkIntegrity() const;

  private:
    static constexpr int kChunk = 256;  ///< rows of one step while catching up
    static constexpr int kSoon = 32;    ///< behind by at most so many: caught up before the first round
    static constexpr int kFed = 8;  ///< rows that the first round has at most; more are cheaper as a prompt
    static constexpr int kMostDrafted = 16;
    static constexpr double kMostIdle = 20'000.0;  ///< micros that a new request may have to wait
    static constexpr size_t kMostPrepared = 16;    ///< conversations

    /// What is stored of one sequence. Tokens [0, stored.size()) are in the tables.
    struct State {
        std::vector<TokenId> stored;
        size_t unknown = 0;  ///< of the last of these, the ids are still on the device alone
        std::vector<BlockTable> tables;
        PrefixLock lock;
    };
    struct Row {
        State* state;
        const DraftRequest* request;
        Begun* begun;
        std::vector<TokenId> feed;  ///< tokens of this round; one of any value when it is the last draw
    };
    struct Pending {
        uint64_t sequence;
        Begun begun;
    };

    ModelDrafter(GgufFile file, kernels::Ops& ops, Clock clock);
    State& stateOf(const Sequence& sequence);
    bool reserve(State& state, int tokens);
    bool catchUp(State& state, const Sequence& sequence);
    State stateFor(std::span<const TokenId> tokens);
    size_t mostFed() const;
    void compute(State& state, std::span<const TokenId> tokens);
    void noteReading(size_t rows, double took);
    void measureReading();
    Batch batchOf(std::span<const Row> rows, bool wantsLogits) const;
    void draw(std::span<Row> rows, const float* logits);
    void round(std::vector<Row>& rows);
    void releaseWindows(State& state);

    static constexpr uint64_t kSpace = 1;  ///< the one namespace of its prefix cache

    GgufFile file_;
    kernels::Ops& ops_;
    Clock clock_;
    ModelConfig config_;
    std::unique_ptr<Transformer> transformer_;
    std::vector<KvBlockPool> pools_;
    std::unique_ptr<RadixCache> cache_;
    std::map<uint64_t, State> states_;  ///< of running sequences, by id
    kernels::DeviceBuffer drawn_;       ///< [maxSequences, kMostDrafted] guesses of the last begin()
    std::vector<Pending> pending_;      ///< not collected yet
    std::deque<std::vector<TokenId>> toPrepare_;  ///< the latest last
    int64_t prepared_ = 0;
    int targetVocabulary_ = 0;  ///< the target can be fed no other ids
    StepCosts costs_;
    double prefillMicros_ = 0.0;
    std::vector<int> roundRows_;  ///< of the last begin()
    double begunMicros_ = 0.0;
    bool hasRead_ = false;
    size_t deviceBytes_ = 0;
};

}  // namespace engine
