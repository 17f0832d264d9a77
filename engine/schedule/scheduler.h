#pragma once

#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/kv/radix_cache.h"
#include "engine/model/batch.h"
#include "engine/schedule/cost_model.h"
#include "engine/schedule/scheduling_policy.h"
#include "engine/schedule/sequence.h"

namespace engine {

struct SchedulerLimits {
    int maxRows = 512;      ///< decode rows of a step, and rows of a chunk of prompts
    int maxSequences = 64;  ///< admitted at once
    int maxLogitRows = 64;  ///< rows of a step whose logits are wanted
    int layers = 1;         ///< of the model; a chunk may pause between two of them
    int leastRows = 16;     ///< of a chunk, whatever it costs
    /// Time that a chunk may take from its first layer to its last: so long a new question may have to wait
    /// before it is looked at. 0: as many rows as fit.
    double prefillMicros = 0.0;
    /// While sequences decode, the layers of prompts between two decode steps may take this share of a decode
    /// step's time, so that running chats stay fluent; 0: no bound.
    double prefillShare = 0.0;
};

/// Decides which rows each step computes: continuous batching with decodes first, then prompts in chunks from
/// a budget of time ("SARATHI", Agrawal et al. 2023). A chunk is a batch of its own that may pause at the end
/// of any layer and let decode steps through: at great depth a chunk of few rows reads gigabytes of KV, and
/// small chunks read the weights too often. Sequences are admitted against real blocks, with nothing reserved
/// for their maximum length; when blocks run out the least urgent running sequence, the youngest of these,
/// leaves its own to the prefix cache and waits again, a little more urgent each time. Owns the sequences.
/// Engine thread only.
class Scheduler {
  public:
    /// Part of a step: tokens [first, first + count) of a sequence. The logits of the last `logits` rows are
    /// wanted; all but the first of these are the sequence's draft to verify.
    struct Part {
        Sequence* sequence;  ///< null: it has left while the step ran
        int first, count;
        int logits;
        /// Not null: the last token is there, in the device's memory, and not among the sequence's yet.
        int32_t* token = nullptr;
        int drafted() const { return logits > 0 ? logits - 1 : 0; }
    };
    /// Rows of prompts on their way through the layers; their blocks are taken.
    struct Chunk {
        std::vector<Part> parts;
        Batch batch;
        ChunkShape shape;
        int layersDone = 0;
    };
    struct Plan {
        std::vector<Part> parts;         ///< of decoding sequences
        std::vector<Sequence*> started;  ///< have rows for the first time
        /// Sequences that no pool can ever hold.
        std::vector<std::unique_ptr<Sequence>> impossible;
        Batch batch;          ///< of the parts
        int chunkLayers = 0;  ///< how many further layers of chunk() are to run after the batch
        bool empty() const { return parts.empty() && chunkLayers == 0; }
    };

    /// `cache` may be null: every prompt is computed from its start.
    Scheduler(std::span<KvBlockPool> pools, RadixCache* cache, SchedulerLimits limits,
              std::unique_ptr<SchedulingPolicy> policy);

    void add(std::unique_ptr<Sequence> sequence);
    /// Running sequences whose next step computes one generated token: those that a draft may follow.
    std::vector<Sequence*> decoding() const;
    /// What was measured before any step ran.
    void setLayerCosts(const LayerCosts& costs) { costs_.setLayer(costs); }
    /// The next step's rows; their blocks are taken.
    Plan schedule(std::chrono::nanoseconds now);
    /// The step after `plan`, whose batch may still run, as schedule would plan it once the tokens of `plan`
    /// are known: ids[i], in the device's memory, is what parts[i] draws. Nothing when that depends on what
    /// the tokens are or on anybody who waits, or takes more blocks than can be had without taking one's
    /// away. Parts whose sequence has left (null) have no row in it.
    std::optional<Plan> scheduleAhead(const Plan& plan, int32_t* ids);
    /// Call when the step before one that was planned ahead is over: the blocks of its rows count from now
    /// on.
    void follows(const Plan& ahead);
    /// Call when a plan's batch has run: its rows count as computed, drafts excepted, whole blocks go to the
    /// prefix cache, windows let go of blocks.
    void completed(const Plan& plan, std::chrono::nanoseconds took);
    /// The chunk that is on its way, null: none. It is given up when one of its sequences leaves.
    const Chunk* chunk() const { return chunk_ ? &*chunk_ : nullptr; }
    /// Call when so many further layers of chunk() have run. When these were its last, its rows count as
    /// computed, and it is returned.
    std::optional<Chunk> advanced(int layers, std::chrono::nanoseconds took);
    /// Takes a sequence out, wherever it is. With `keep` the prefix cache takes its blocks in; the rest is
    /// free. Null if unknown.
    std::unique_ptr<Sequence> remove(uint64_t id, bool keep);
    Sequence* find(uint64_t id);

    int running() const { return static_cast<int>(running_.size()); }
    int waiting() const { return static_cast<int>(waiting_.size()); }
    const CostModel& costs() const { return costs_; }
    int64_t preemptions() const { return preemptions_; }
    /// Spent in the prefix cache and its tiers so far.
    std::chrono::nanoseconds cacheTime() const { return cacheTime_; }
    /// Rows in blocks that no other sequence and no cache has (of the first group).
    int64_t privateRows() const;

  private:
    using Sequences = std::list<std::unique_ptr<Sequence>>;
    bool fits(const Sequence& sequence) const;
    bool canEverFit(const Sequence& sequence) const;
    int blocksFor(const KvBlockPool& pool, int tokens) const;
    void admit(std::chrono::nanoseconds now, Plan& plan);
    void awaitArrivals();
    void start(Sequence& sequence);
    bool reserve(Sequence& sequence, int tokens);
    bool take(Sequence& sequence, int tokens);
    static void noteHeld(Sequence& sequence);
    bool reserveByPreempting(Sequence& sequence, int tokens, Plan& plan);
    void preempt(Sequences::iterator victim);
    Sequences::iterator leastUrgent();
    void keepBlocks(Sequence& sequence, bool withTail);
    void addDecodes(Plan& plan, int& budget);
    void addDrafts(Plan& plan, int& budget);
    void beginChunk(int decodeRows, std::chrono::nanoseconds now, Plan& plan);
    void leaveChunk(const Sequence& sequence);
    bool sharesTime(int decodeRows) const;
    double layerBudget(int decodeRows) const;
    double leastBudget(const Sequence& sequence) const;
    int chunkRows(double budget, int decodeRows, const Sequence& sequence, int most) const;
    int chunkLayers(int decodeRows) const;
    bool canBeAhead(const Plan& plan) const;
    bool reserveAhead(std::span<const Part> parts);
    void noteStarted(std::span<const Part> parts, std::chrono::nanoseconds now, Plan& plan) const;
    void computed(const Part& part);
    Batch batchOf(std::span<const Part> parts) const;
    bool isRunning(const Sequence* sequence) const;
    double tokenMicros() const;
    RecomputeCost recomputeCost() const;

    std::span<KvBlockPool> pools_;
    RadixCache* cache_;
    SchedulerLimits limits_;
    std::unique_ptr<SchedulingPolicy> policy_;
    CostModel costs_;
    Sequences running_;  ///< oldest first
    Sequences waiting_;
    std::optional<Chunk> chunk_;
    int64_t preemptions_ = 0;
    mutable std::chrono::nanoseconds cacheTime_{};
};

}  // namespace engine
