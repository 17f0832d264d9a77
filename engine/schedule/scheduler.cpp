#include "engine/schedule/scheduler.h"

#include <algorithm>

namespace engine {
namespace {

/// Adds the time of its life to a total.
class Stopwatch {
  public:
    explicit Stopwatch(std::chrono::nanoseconds& total)
        : total_(total), start_(std::chrono::steady_clock::now()) {}
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    ~Stopwatch() { total_ += std::chrono::steady_clock::now() - start_; }

  private:
    std::chrono::nanoseconds& total_;
    std::chrono::steady_clock::time_point start_;
};

}  // namespace

Scheduler::Scheduler(std::span<KvBlockPool> pools, RadixCache* cache, SchedulerLimits limits,
                     std::unique_ptr<SchedulingPolicy> policy)
    : pools_(pools), cache_(cache), limits_(limits), policy_(std::move(policy)) {}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
    if (cache_ != nullptr) {
        const Stopwatch watch(cacheTime_);
        sequence->cachedTokens = cache_->peek(sequence->space, sequence->tokens).tokens;
    }
    waiting_.push_back(std::move(sequence));
}

/// What computing a prompt's token costs at its start, in a large chunk.
double Scheduler::tokenMicros() const {
    if (!costs_.layer().isKnown()) return 1000.0;
    ChunkShape shape;
    shape.add(0, limits_.maxRows);
    return limits_.layers * costs_.layer().micros(shape) / limits_.maxRows;
}

/// A token's share of a large chunk.
RecomputeCost Scheduler::recomputeCost() const {
    const LayerCosts& layer = costs_.layer();
    return {tokenMicros(), limits_.layers * (layer.rowToken + layer.token / limits_.maxRows)};
}

/// Blocks a sequence of `tokens` holds at once: a window group holds its window and the chunk being computed.
int Scheduler::blocksFor(const KvBlockPool& pool, int tokens) const {
    const KvGroupLayout& layout = pool.layout();
    const int held =
        layout.window > 0 ? std::min(tokens, layout.window + limits_.maxRows + layout.blockTokens) : tokens;
    return (held + layout.blockTokens - 1) / layout.blockTokens;
}

bool Scheduler::fits(const Sequence& sequence) const {
    const int tokens = static_cast<int>(sequence.tokens.size());
    int shared = -1;  // blocks that it would share with what is held anyway; counted when it matters
    for (size_t g = 0; g < pools_.size(); ++g) {
        const KvBlockPool& pool = pools_[g];
        const int needed = blocksFor(pool, tokens);
        if (needed <= pool.freeBlocks()) continue;
        if (cache_ == nullptr) return false;
        const Stopwatch watch(cacheTime_);
        if (shared < 0) shared = cache_->peek(sequence.space, sequence.tokens).protectedBlocks;
        const int saved = pool.layout().window > 0 ? 0 : shared;
        if (needed - saved > pool.freeBlocks() + cache_->evictable(g)) return false;
    }
    return true;
}

bool Scheduler::canEverFit(const Sequence& sequence) const {
    return std::ranges::all_of(pools_, [&](const KvBlockPool& pool) {
        return blocksFor(pool, static_cast<int>(sequence.tokens.size())) <= pool.totalBlocks();
    });
}

void Scheduler::admit(std::chrono::nanoseconds now, Plan& plan) {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
        if (canEverFit(**it)) {
            ++it;
            continue;
        }
        plan.impossible.push_back(std::move(*it));
        it = waiting_.erase(it);
    }
    while (!waiting_.empty() && running() < limits_.maxSequences) {
        const auto next = std::ranges::min_element(waiting_, [&](const auto& a, const auto& b) {
            return policy_->before(*a, *b, now, tokenMicros());
        });
        if (!fits(**next)) return;  // nobody overtakes, so that large prompts get their turn
        start(**next);
        running_.splice(running_.end(), waiting_, next);
    }
}

/// Gives an admitted sequence its tables, with what the prefix cache has of it.
void Scheduler::start(Sequence& sequence) {
    if (cache_ == nullptr) {
        for (KvBlockPool& pool : pools_) sequence.tables.emplace_back(pool);
        return;
    }
    const Stopwatch watch(cacheTime_);
    RadixCache::Match match = cache_->match(sequence.space, sequence.tokens, recomputeCost());
    sequence.tables = std::move(match.tables);
    sequence.lock = std::move(match.lock);
    sequence.uploads = match.uploads;
    sequence.computed = match.tokens;
    if (!sequence.isStarted) sequence.cachedTokens = std::min(match.tokens, sequence.promptTokens);
}

/// A sequence whose rows are still being copied to the device lets the others go on; when there are no
/// others, it is waited for.
void Scheduler::awaitArrivals() {
    if (cache_ == nullptr || running_.empty()) return;
    const Stopwatch watch(cacheTime_);
    bool isAnyHere = false;
    for (const auto& sequence : running_) {
        if (cache_->isThere(sequence->uploads)) sequence->uploads = 0;
        isAnyHere = isAnyHere || sequence->uploads == 0;
    }
    if (isAnyHere) return;
    cache_->awaitUploads();
    for (const auto& sequence : running_) sequence->uploads = 0;
}

/// Blocks for so many tokens; false when there are too few, even without the prefix cache's.
bool Scheduler::take(Sequence& sequence, int tokens) {
    for (size_t g = 0; g < pools_.size(); ++g) {
        BlockTable& table = sequence.tables[g];
        if (const int needed = table.blocksNeeded(tokens, sequence.computed);
            cache_ != nullptr && needed > pools_[g].freeBlocks()) {
            const Stopwatch watch(cacheTime_);
            cache_->makeRoom(g, needed);
        }
        if (!table.reserve(tokens, sequence.computed)) return false;
    }
    return true;
}

bool Scheduler::reserve(Sequence& sequence, int tokens) {
    if (!take(sequence, tokens)) return false;
    noteHeld(sequence);
    return true;
}

void Scheduler::noteHeld(Sequence& sequence) {
    int blocks = 0;
    for (const BlockTable& table : sequence.tables) blocks += table.heldBlocks();
    sequence.mostBlocks = std::max(sequence.mostBlocks, blocks);
}

/// Hands the blocks of what is computed to the prefix cache.
void Scheduler::keepBlocks(Sequence& sequence, bool withTail) {
    if (cache_ == nullptr || sequence.tables.empty()) return;
    const Stopwatch watch(cacheTime_);
    cache_->extend(sequence.lock, std::span(sequence.tokens).first(static_cast<size_t>(sequence.computed)),
                   sequence.tables, withTail);
}

void Scheduler::preempt(Sequences::iterator victim) {
    Sequence& sequence = **victim;
    leaveChunk(sequence);
    if (cache_ != nullptr) cache_->letGo(sequence.uploads);
    keepBlocks(sequence, true);
    sequence.tables.clear();
    sequence.lock = {};
    sequence.uploads = 0;
    sequence.computed = 0;
    sequence.draft.clear();
    sequence.draftOnDevice = nullptr;
    ++sequence.preemptions;
    ++preemptions_;
    waiting_.splice(waiting_.begin(), running_, victim);
}

/// Who gives up its blocks first: the lowest priority, of these the youngest. Each time it had to counts as a
/// level of priority, up to the highest there is, so that nobody gives way to younger ones for ever. The most
/// urgent of all always goes on.
Scheduler::Sequences::iterator Scheduler::leastUrgent() {
    int top = running_.front()->priority;
    for (const auto& sequence : running_) top = std::max(top, sequence->priority);
    const auto urgency = [top](const auto& sequence) {
        return std::min(top, sequence->priority + sequence->preemptions);
    };
    auto least = running_.begin();
    for (auto it = std::next(least); it != running_.end(); ++it)
        if (urgency(*it) <= urgency(*least)) least = it;
    return least;
}

/// Takes blocks from the least urgent sequences until `sequence` has room; false when that was itself.
bool Scheduler::reserveByPreempting(Sequence& sequence, int tokens, Plan& plan) {
    while (!reserve(sequence, tokens)) {
        const auto victim = leastUrgent();
        const bool isSelf = victim->get() == &sequence;
        std::erase_if(plan.parts, [&](const Part& part) { return part.sequence == victim->get(); });
        preempt(victim);
        if (isSelf) return false;
    }
    return true;
}

bool Scheduler::isRunning(const Sequence* sequence) const {
    return std::ranges::any_of(running_, [&](const auto& r) { return r.get() == sequence; });
}

/// A row's kernel family is its token's: prompt tokens are prefill rows and generated ones decode rows, also
/// when a preempted sequence is computed again. So its KV does not depend on how it came to be computed.
void Scheduler::addDecodes(Plan& plan, int& budget) {
    std::vector<Sequence*> order;
    for (const auto& sequence : running_)
        if (sequence->isDecoding() && sequence->uploads == 0) order.push_back(sequence.get());
    std::ranges::stable_sort(order,
                             [](const Sequence* a, const Sequence* b) { return a->priority > b->priority; });
    for (Sequence* sequence : order) {
        if (budget == 0) return;
        if (!isRunning(sequence)) continue;
        const int count = std::min(budget, sequence->remaining());
        if (!reserveByPreempting(*sequence, sequence->computed + count, plan)) continue;
        plan.parts.push_back({sequence, sequence->computed, count, count == sequence->remaining() ? 1 : 0});
        budget -= count;
    }
}

std::vector<Sequence*> Scheduler::decoding() const {
    std::vector<Sequence*> found;
    for (const auto& sequence : running_)
        if (sequence->isDecoding() && sequence->remaining() == 1 && sequence->uploads == 0)
            found.push_back(sequence.get());
    return found;
}

/// Drafts get what is left once every decoding sequence has its row: they never make one wait or give up
/// its blocks.
void Scheduler::addDrafts(Plan& plan, int& budget) {
    int logits = limits_.maxLogitRows - running();
    for (Part& part : plan.parts) {
        Sequence& sequence = *part.sequence;
        const int drafted = std::min({static_cast<int>(sequence.draft.size()), budget, logits});
        if (part.count != 1 || part.logits != 1 || drafted <= 0) continue;
        const int tokens = static_cast<int>(sequence.tokens.size());
        if (!reserve(sequence, tokens + drafted)) {
            for (BlockTable& table : sequence.tables) table.truncate(tokens);
            continue;
        }
        part.count += drafted;
        part.logits += drafted;
        budget -= drafted;
        logits -= drafted;
    }
}

Scheduler::Plan Scheduler::schedule(std::chrono::nanoseconds now) {
    Plan plan;
    admit(now, plan);
    awaitArrivals();
    int budget = limits_.maxRows;
    addDecodes(plan, budget);
    addDrafts(plan, budget);
    const int decodeRows = limits_.maxRows - budget;
    if (!chunk_) beginChunk(decodeRows, now, plan);
    plan.chunkLayers = chunkLayers(decodeRows);
    noteStarted(plan.parts, now, plan);
    plan.batch = batchOf(plan.parts);
    return plan;
}

void Scheduler::noteStarted(std::span<const Part> parts, std::chrono::nanoseconds now, Plan& plan) const {
    for (const Part& part : parts) {
        if (part.sequence->isStarted) continue;
        part.sequence->isStarted = true;
        part.sequence->started = now;
        plan.started.push_back(part.sequence);
    }
}

void Scheduler::completed(const Plan& plan, std::chrono::nanoseconds took) {
    costs_.observeDecode(plan.batch.rows.decode, took);
    for (const Part& part : plan.parts)
        if (part.sequence != nullptr) computed(part);
}

void Scheduler::computed(const Part& part) {
    Sequence& sequence = *part.sequence;
    if (sequence.newTokens() == 0) sequence.prefilledTokens += part.count;
    sequence.computed = part.first + part.count - part.drafted();
    if (sequence.computed - sequence.lock.tokens() >= pools_[0].layout().blockTokens)
        keepBlocks(sequence, false);
    for (size_t g = 0; g < sequence.tables.size(); ++g) {
        const int window = pools_[g].layout().window;
        if (window > 0) sequence.tables[g].releaseBefore(sequence.computed - window + 1);
    }
}

std::unique_ptr<Sequence> Scheduler::remove(uint64_t id, bool keep) {
    for (Sequences* list : {&running_, &waiting_}) {
        const auto it = std::ranges::find_if(*list, [&](const auto& s) { return s->id == id; });
        if (it == list->end()) continue;
        leaveChunk(**it);
        if (cache_ != nullptr) cache_->letGo((*it)->uploads);
        std::unique_ptr<Sequence> sequence = std::move(*it);
        list->erase(it);
        if (keep) keepBlocks(*sequence, true);
        sequence->tables.clear();
        sequence->lock = {};
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

int64_t Scheduler::privateRows() const {
    int64_t rows = 0;
    for (const auto& sequence : running_)
        rows += sequence->computed - (cache_ != nullptr ? sequence->lock.tokens() : 0);
    if (chunk_)
        for (const Part& part : chunk_->parts) rows += part.count;
    return rows;
}

}  // namespace engine
