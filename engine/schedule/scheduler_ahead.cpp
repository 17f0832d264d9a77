#include <algorithm>

#include "engine/schedule/scheduler.h"

/// Scheduler: the step after one that still runs.
namespace engine {

/// Whether the step after `plan` has the same sequences with a row each, whatever their tokens turn out to
/// be.
bool Scheduler::canBeAhead(const Plan& plan) const {
    if (!waiting_.empty() || chunk_) return false;
    int rows = 0;
    for (const Part& part : plan.parts) {
        if (part.sequence == nullptr) continue;
        const Sequence& sequence = *part.sequence;
        const bool isPlain = part.count == 1 && part.logits == 1 && sequence.isDecoding();
        // With the token in flight there must be one more to draw.
        if (!isPlain || static_cast<int>(sequence.tokens.size()) + 1 >= sequence.maxTokens) return false;
        ++rows;
    }
    return rows > 0 && rows == running();  // one that is not in it may be next
}

/// Blocks for all of the parts or for none. Takes nobody's away, but what only the prefix cache has.
bool Scheduler::reserveAhead(std::span<const Part> parts) {
    for (size_t g = 0; g < pools_.size(); ++g) {
        int needed = 0;
        for (const Part& part : parts)
            needed += part.sequence->tables[g].blocksNeeded(part.first + 1, part.sequence->computed);
        const int free = pools_[g].freeBlocks();
        if (needed > free && (cache_ == nullptr || needed > free + cache_->evictable(g))) return false;
    }
    if (std::ranges::all_of(parts, [this](const Part& part) { return take(*part.sequence, part.first + 1); }))
        return true;
    for (const Part& part : parts)
        for (BlockTable& table : part.sequence->tables) table.truncate(part.first);
    return false;
}

std::optional<Scheduler::Plan> Scheduler::scheduleAhead(const Plan& plan, int32_t* ids) {
    if (!canBeAhead(plan)) return std::nullopt;
    Plan ahead;
    for (size_t i = 0; i < plan.parts.size(); ++i) {
        const Part& part = plan.parts[i];
        if (part.sequence != nullptr) ahead.parts.push_back({part.sequence, part.first + 1, 1, 1, ids + i});
    }
    if (!reserveAhead(ahead.parts)) return std::nullopt;
    ahead.batch = batchOf(ahead.parts);
    return ahead;
}

void Scheduler::follows(const Plan& ahead) {
    for (const Part& part : ahead.parts)
        if (part.sequence != nullptr) noteHeld(*part.sequence);
}

}  // namespace engine
