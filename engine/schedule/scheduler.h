#pragma once

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "engine/kv/radix_cache.h"
#include "engine/model/batch.h"
#include "engine/schedule/cost_model.h"
#include "engine/schedule/scheduling_policy.h"
#include "engine/schedule/sequence.h"

namespace engine {

struct SchedulerLimits {
    int maxRows = 512;      ///< rows of a step
    int maxSequences = 64;  ///< admitted at once
    int maxLogitRows = 64;  ///< rows of a step whose logits are wanted
    /// Time that a step's prefill rows may take while no sequence decodes; 0: as many rows as fit.
    double prefillMicros = 0.0;
    /// While sequences decode, prefill rows may take this share of a decode step's time, so that running
    /// chats stay fluent; 0: as many rows as fit.
    double prefillShare = 0.0;
};

/// Decides which rows each step computes: continuous batching with decodes first and prompts in chunks from
/// what is left of the row and time budgets ("SARATHI", Agrawal et al. 2023). Sequences are admitted against
/// real blocks, with nothing reserved for their maximum length; when blocks run out the least urgent running
/// sequence, the youngest of these, leaves its own to the prefix cache and waits again, a little more urgent
/// each time. Owns the sequences. Engine thread only.
class Scheduler {
  public:
    /// Part of a step: tokens [first, first + count) of a sequence. The logits of the last `logits` rows are
    /// wanted; all but the first of these are the sequence's draft to verify.
    struct Part {
        Sequence* sequence;
        int first, count;
        int logits;
        int drafted() const { return logits > 0 ? logits - 1 : 0; }
    };
    struct Plan {
        std::vector<Part> parts;         ///< decode parts, then prefill parts
        std::vector<Sequence*> started;  ///< have rows for the first time
        /// Sequences that no pool can ever hold.
        std::vector<std::unique_ptr<Sequence>> impossible;
        Batch batch;
        bool empty() const { return parts.empty(); }
    };

    /// `cache` may be null: every prompt is computed from its start.
    Scheduler(std::span<KvBlockPool> pools, RadixCache* cache, SchedulerLimits limits,
              std::unique_ptr<SchedulingPolicy> policy);

    void add(std::unique_ptr<Sequence> sequence);
    /// Running sequences whose next step computes one generated token: those that a draft may follow.
    std::vector<Sequence*> decoding() const;
    /// The next step's rows; their blocks are taken.
    Plan schedule(std::chrono::nanoseconds now);
    /// Call when a plan has run: its rows count as computed, drafts excepted, whole blocks go to the prefix
    /// cache, windows let go of blocks.
    void completed(const Plan& plan, std::chrono::nanoseconds took);
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
    void start(Sequence& sequence);
    bool reserve(Sequence& sequence, int tokens);
    bool reserveByPreempting(Sequence& sequence, int tokens, Plan& plan);
    void preempt(Sequences::iterator victim);
    Sequences::iterator leastUrgent();
    void keepBlocks(Sequence& sequence, bool withTail);
    void addDecodes(Plan& plan, int& budget);
    void addDrafts(Plan& plan, int& budget);
    void addPrefills(Plan& plan, int budget, std::chrono::nanoseconds now);
    int prefillBudget(int decodeRows, int rowsLeft) const;
    bool addPart(Plan& plan, Sequence& sequence, int count);
    void buildBatch(Plan& plan) const;
    bool isRunning(const Sequence* sequence) const;
    double tokenMicros() const;

    std::span<KvBlockPool> pools_;
    RadixCache* cache_;
    SchedulerLimits limits_;
    std::unique_ptr<SchedulingPolicy> policy_;
    CostModel costs_;
    Sequences running_;  ///< oldest first
    Sequences waiting_;
    int64_t preemptions_ = 0;
    mutable std::chrono::nanoseconds cacheTime_{};
};

}  // namespace engine
