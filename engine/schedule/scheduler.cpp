#include "engine/schedule/scheduler.h"

#include <algorithm>

namespace engine {
namespace {

class FcfsPolicy final : public SchedulingPolicy {
  public:
    bool before(const Sequence& a, const Sequence& b, std::chrono::nanoseconds) const override {
        if (a.priority != b.priority) return a.priority > b.priority;
        return a.submitted != b.submitted ? a.submitted < b.submitted : a.id < b.id;
    }
};

}  // namespace

std::unique_ptr<SchedulingPolicy> makeFcfsPolicy() {
    return std::make_unique<FcfsPolicy>();
}

Scheduler::Scheduler(std::span<KvBlockPool> pools, SchedulerLimits limits,
                     std::unique_ptr<SchedulingPolicy> policy)
    : pools_(pools), limits_(limits), policy_(std::move(policy)) {}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
    waiting_.push_back(std::move(sequence));
}

/// Blocks a sequence of `tokens` holds at once: a window group holds its window and the chunk being computed.
int Scheduler::blocksFor(const KvBlockPool& pool, int tokens) const {
    const KvGroupLayout& layout = pool.layout();
    const int held =
        layout.window > 0 ? std::min(tokens, layout.window + limits_.maxRows + layout.blockTokens) : tokens;
    return (held + layout.blockTokens - 1) / layout.blockTokens;
}

bool Scheduler::fits(const Sequence& sequence) const {
    return std::ranges::all_of(pools_, [&](const KvBlockPool& pool) {
        return blocksFor(pool, static_cast<int>(sequence.tokens.size())) <= pool.freeBlocks();
    });
}

bool Scheduler::canEverFit(const Sequence& sequence) const {
    return std::ranges::all_of(pools_, [&](const KvBlockPool& pool) {
        return blocksFor(pool, static_cast<int>(sequence.tokens.size())) <= pool.totalBlocks();
    });
}

void Scheduler::admit(std::chrono::nanoseconds now, std::vector<std::unique_ptr<Sequence>>& impossible) {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
        if (canEverFit(**it)) {
            ++it;
            continue;
        }
        impossible.push_back(std::move(*it));
        it = waiting_.erase(it);
    }
    while (!waiting_.empty() && running() < limits_.maxSequences) {
        const auto next = std::ranges::min_element(
            waiting_, [&](const auto& a, const auto& b) { return policy_->before(*a, *b, now); });
        if (!fits(**next)) return;  // nobody overtakes, so that large prompts get their turn
        Sequence& sequence = **next;
        if (sequence.admitted.count() == 0) sequence.admitted = now;
        for (KvBlockPool& pool : pools_) sequence.tables.emplace_back(pool);
        running_.splice(running_.end(), waiting_, next);
    }
}

bool Scheduler::reserve(Sequence& sequence, int tokens) {
    return std::ranges::all_of(sequence.tables,
                               [&](BlockTable& table) { return table.reserve(tokens, sequence.computed); });
}

void Scheduler::preempt(Sequences::iterator victim) {
    (*victim)->tables.clear();
    (*victim)->computed = 0;
    waiting_.splice(waiting_.begin(), running_, victim);
}

/// Takes blocks from the youngest sequences until `sequence` has room; false when it was itself the youngest.
bool Scheduler::reserveByPreempting(Sequence& sequence, int tokens, Plan& plan) {
    while (!reserve(sequence, tokens)) {
        const auto victim = std::prev(running_.end());
        const bool isSelf = victim->get() == &sequence;
        std::erase_if(plan.parts, [&](const Part& part) { return part.sequence == victim->get(); });
        preempt(victim);
        if (isSelf) return false;
    }
    return true;
}

void Scheduler::addPart(Plan& plan, Sequence& sequence, int count) const {
    const bool samples = sequence.computed + count == static_cast<int>(sequence.tokens.size());
    plan.parts.push_back({&sequence, sequence.computed, count, samples});
}

Scheduler::Plan Scheduler::schedule(std::chrono::nanoseconds now,
                                    std::vector<std::unique_ptr<Sequence>>& impossible) {
    admit(now, impossible);
    Plan plan;
    int budget = limits_.maxRows;
    // A row's kernel family is its token's: prompt tokens are prefill rows and generated ones decode rows,
    // also when a preempted sequence is computed again. So its KV does not depend on how it came to be
    // computed.
    std::vector<Sequence*> order;
    for (const auto& sequence : running_) order.push_back(sequence.get());
    const auto isRunning = [&](const Sequence* s) {
        return std::ranges::any_of(running_, [&](const auto& r) { return r.get() == s; });
    };
    for (const bool decode : {true, false}) {
        for (Sequence* sequence : order) {
            if (budget == 0) break;
            if (!isRunning(sequence) || (sequence->computed >= sequence->promptTokens) != decode) continue;
            int end = decode ? static_cast<int>(sequence->tokens.size()) : sequence->promptTokens;
            if (sequence->computed < sequence->promptBorder) end = std::min(end, sequence->promptBorder);
            const int count = std::min(budget, end - sequence->computed);
            if (!reserveByPreempting(*sequence, sequence->computed + count, plan)) continue;
            addPart(plan, *sequence, count);
            budget -= count;
        }
    }
    buildBatch(plan);
    return plan;
}

void Scheduler::buildBatch(Plan& plan) const {
    Batch& batch = plan.batch;
    batch.groups.resize(pools_.size());
    batch.rowStart.push_back(0);
    for (Batch::Group& group : batch.groups) group.tableStart.push_back(0);
    for (const Part& part : plan.parts) {
        const Sequence& sequence = *part.sequence;
        (part.first >= sequence.promptTokens ? batch.rows.decode : batch.rows.prefill) += part.count;
        for (int token = part.first; token < part.first + part.count; ++token) {
            batch.tokens.push_back(sequence.tokens[static_cast<size_t>(token)]);
            batch.positions.push_back(token);
            for (size_t g = 0; g < batch.groups.size(); ++g)
                batch.groups[g].slots.push_back(sequence.tables[g].slot(token));
        }
        batch.rowStart.push_back(static_cast<int32_t>(batch.tokens.size()));
        batch.contextLength.push_back(part.first + part.count);
        if (part.samples) batch.logitRows.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
        for (size_t g = 0; g < batch.groups.size(); ++g) {
            const auto blocks = sequence.tables[g].blocks();
            batch.groups[g].blocks.insert(batch.groups[g].blocks.end(), blocks.begin(), blocks.end());
            batch.groups[g].tableStart.push_back(static_cast<int32_t>(batch.groups[g].blocks.size()));
        }
    }
}

void Scheduler::completed(const Plan& plan) {
    for (const Part& part : plan.parts) {
        Sequence& sequence = *part.sequence;
        sequence.computed = part.first + part.count;
        for (size_t g = 0; g < sequence.tables.size(); ++g) {
            const int window = pools_[g].layout().window;
            if (window > 0) sequence.tables[g].releaseBefore(sequence.computed - window + 1);
        }
    }
}

std::unique_ptr<Sequence> Scheduler::remove(uint64_t id) {
    for (Sequences* list : {&running_, &waiting_}) {
        const auto it = std::ranges::find_if(*list, [&](const auto& s) { return s->id == id; });
        if (it == list->end()) continue;
        std::unique_ptr<Sequence> sequence = std::move(*it);
        list->erase(it);
        return sequence;
    }
    return nullptr;
}

Sequence* Scheduler::find(uint64_t id) {
    for (Sequences* list : {&running_, &waiting_})
        for (const auto& sequence : *list)
            if (sequence->id == id) return sequence.get();
    return nullptr;
}

}  // namespace engine
