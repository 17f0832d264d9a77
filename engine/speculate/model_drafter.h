#pragma once

#include <functional>
#include <map>
#include <memory>

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
    };

    /// `ops` must outlive the drafter, and may be the target's own. Errors as Transformer::load.
    static Result<std::unique_ptr<ModelDrafter>> load(GgufFile file, kernels::Ops& ops,
                                                      const Options& options, Clock clock,
                                                      const LoadProgress& progress);

    /// One batch for each drafted position, over all sequences that want one. A sequence whose KV is far
    /// behind gets a chunk of it computed instead, and no proposal this time.
    std::vector<std::vector<TokenId>> propose(std::span<const DraftRequest> requests) override;
    void forget(const Sequence& sequence) override;

    /// Tokens of the sequence that are not computed yet.
    int behind(const Sequence& sequence) const;
    /// Cost of a draft step of so many sequences.
    const StepCosts& costs() const { return costs_; }
    /// Cost of computing a prompt's token while catching up.
    double microsPerPrefillToken() const { return prefillMicros_; }
    size_t deviceBytes() const { return deviceBytes_; }
    void checkIntegrity() const;

  private:
    static constexpr int kChunk = 256;  ///< rows of one step while catching up
    static constexpr int kSoon = 32;    ///< behind by at most so many: caught up within the first round

    /// What is stored of one sequence. Tokens [0, stored.size()) are in the tables.
    struct State {
        std::vector<TokenId> stored;
        std::vector<BlockTable> tables;
        PrefixLock lock;
    };
    struct Row {
        State* state;
        const DraftRequest* request;
        std::vector<TokenId>* proposal;
        std::vector<TokenId> feed;  ///< tokens of this round
    };

    ModelDrafter(GgufFile file, kernels::Ops& ops, Clock clock);
    State& stateOf(const Sequence& sequence);
    bool reserve(State& state, int tokens);
    bool catchUp(State& state, const Sequence& sequence);
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
    StepCosts costs_;
    double prefillMicros_ = 0.0;
    size_t deviceBytes_ = 0;
};

}  // namespace engine
