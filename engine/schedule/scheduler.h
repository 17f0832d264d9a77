#pragma once

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "engine/model/batch.h"
#include "engine/schedule/scheduling_policy.h"
#include "engine/schedule/sequence.h"

namespace engine {

struct SchedulerLimits {
    int maxRows = 512;      ///< rows of a step
    int maxSequences = 64;  ///< running at once
};

/// Decides which rows each step computes: continuous batching with decodes first and prompts in chunks from
/// what is left of the row budget ("SARATHI", Agrawal et al. 2023). Sequences are admitted against real
/// blocks, with nothing reserved for their maximum length; when blocks run out the youngest running sequence
/// gives its own back and waits again, to be recomputed. Owns the sequences. Engine thread only.
class Scheduler {
  public:
    /// Part of a step: tokens [first, first + count) of a sequence. `samples`: the last row's logits are
    /// wanted.
    struct Part {
        Sequence* sequence;
        int first, count;
        bool samples;
    };
    struct Plan {
        std::vector<Part> parts;  ///< decode parts, then prefill parts
        Batch batch;
        bool empty() const { return parts.empty(); }
    };

    Scheduler(std::span<KvBlockPool> pools, SchedulerLimits limits, std::unique_ptr<SchedulingPolicy> policy);

    void add(std::unique_ptr<Sequence> sequence);
    /// The next step's rows; their blocks are taken. Sequences that no pool can ever hold come back in
    /// `impossible`.
    Plan schedule(std::chrono::nanoseconds now, std::vector<std::unique_ptr<Sequence>>& impossible);
    /// Call when a plan has run: its rows count as computed and windows let go of blocks.
    void completed(const Plan& plan);
    /// Takes a sequence out, wherever it is; its blocks are free when the result is destroyed. Null if
    /// unknown.
    std::unique_ptr<Sequence> remove(uint64_t id);
    Sequence* find(uint64_t id);

    int running() const { return static_cast<int>(running_.size()); }
    int waiting() const { return static_cast<int>(waiting_.size()); }

  private:
    using Sequences = std::list<std::unique_ptr<Sequence>>;
    bool fits(const Sequence& sequence) const;
    bool canEverFit(const Sequence& sequence) const;
    int blocksFor(const KvBlockPool& pool, int tokens) const;
    void admit(std::chrono::nanoseconds now, std::vector<std::unique_ptr<Sequence>>& impossible);
    bool reserve(Sequence& sequence, int tokens);
    bool reserveByPreempting(Sequence& sequence, int tokens, Plan& plan);
    void preempt(Sequences::iterator victim);
    void addPart(Plan& plan, Sequence& sequence, int count) const;
    void buildBatch(Plan& plan) const;

    std::span<KvBlockPool> pools_;
    SchedulerLimits limits_;
    std::unique_ptr<SchedulingPolicy> policy_;
    Sequences running_;  ///< oldest first
    Sequences waiting_;
};

}  // namespace engine
