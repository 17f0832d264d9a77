#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/schedule/scheduler.h"

/// Scheduler: prompts, in chunks that may pause between layers.
namespace engine {

/// Whether decode steps go on between the layers of a chunk.
bool Scheduler::sharesTime(int decodeRows) const {
    return decodeRows > 0 && limits_.prefillShare > 0.0;
}

/// What a layer of a chunk may take. While others decode it has to fit between two of their steps, and the
/// larger the chunk the better: rows are the cheaper the more of them share a reading of the weights. Only
/// where a pause after each layer would make the chunk too long do several layers go between two steps.
double Scheduler::layerBudget(int decodeRows) const {
    const double whole =
        limits_.prefillMicros > 0.0 ? limits_.prefillMicros : std::numeric_limits<double>::infinity();
    if (!sharesTime(decodeRows)) return whole / limits_.layers;
    const double step = costs_.decodeStepMicros(decodeRows), between = limits_.prefillShare * step;
    const double pauses = std::max(1.0, std::floor(whole / (step + between)));
    return between / std::max(1.0, std::ceil(limits_.layers / pauses));
}

/// Rows of `sequence`, up to `most`, that the chunk can take on.
int Scheduler::chunkRows(double budget, int decodeRows, const Sequence& sequence, int most) const {
    constexpr int kUnknownRows = 16;  // while nothing is measured
    const bool isShared = sharesTime(decodeRows);
    if (!isShared && std::isinf(budget)) return most;
    if (!costs_.layer().isKnown() || budget == 0.0)
        return std::min(most, isShared ? kUnknownRows : 4 * kUnknownRows);
    return costs_.layer().rowsWithin(budget, chunk_->shape, sequence.computed, most);
}

/// Where even the least rows take longer than a layer may, a few more cost little: most of the time goes into
/// reading what is there once.
double Scheduler::leastBudget(const Sequence& sequence) const {
    ChunkShape least;
    least.add(sequence.computed, limits_.leastRows);
    return 1.25 * costs_.layer().micros(least);
}

/// A chunk is one long prompt's or the rest of several short ones: those are not kept waiting for the rows of
/// a long one behind them.
void Scheduler::beginChunk(int decodeRows, std::chrono::nanoseconds now, Plan& plan) {
    std::vector<Sequence*> order;
    for (const auto& sequence : running_)
        if (!sequence->isDecoding() && sequence->uploads == 0) order.push_back(sequence.get());
    if (order.empty()) return;
    std::ranges::sort(order, [&](const Sequence* a, const Sequence* b) {
        return policy_->before(*a, *b, now, tokenMicros());
    });
    const double budget = layerBudget(decodeRows);
    chunk_ = Chunk();
    int rowsLeft = limits_.maxRows;
    for (Sequence* sequence : order) {
        if (!isRunning(sequence)) continue;
        const bool hasBorder = sequence->computed < sequence->promptBorder;
        const int end =
            hasBorder ? std::min(sequence->promptTokens, sequence->promptBorder) : sequence->promptTokens;
        const int wanted = end - sequence->computed;
        const bool isFirst = chunk_->parts.empty();
        const double own = isFirst ? std::max(budget, leastBudget(*sequence)) : budget;
        int count = chunkRows(own, decodeRows, *sequence, std::min(wanted, rowsLeft));
        if (isFirst)
            count = std::max(count, std::min({wanted, rowsLeft, limits_.leastRows}));
        else if (count < wanted)
            break;  // nobody overtakes it
        if (count == 0 || !reserveByPreempting(*sequence, sequence->computed + count, plan)) continue;
        const bool samples = sequence->computed + count == static_cast<int>(sequence->tokens.size());
        chunk_->parts.push_back({sequence, sequence->computed, count, samples ? 1 : 0});
        chunk_->shape.add(sequence->computed, count);
        rowsLeft -= count;
        if (count < wanted || rowsLeft == 0) break;
    }
    if (chunk_->parts.empty()) return chunk_.reset();
    chunk_->batch = batchOf(chunk_->parts);
    noteStarted(chunk_->parts, now, plan);
}

/// Its blocks are about to be somebody else's. A chunk that was begun cannot go on without one of its rows;
/// the others' are computed again.
void Scheduler::leaveChunk(const Sequence& sequence) {
    if (!chunk_) return;
    const auto isOwn = [&](const Part& part) { return part.sequence == &sequence; };
    if (std::ranges::none_of(chunk_->parts, isOwn)) return;
    const bool isBegun = !chunk_->batch.tokens.empty();
    if (isBegun)
        chunk_.reset();
    else
        std::erase_if(chunk_->parts, isOwn);
}

/// How many layers of the chunk go after a step with `decodeRows`.
int Scheduler::chunkLayers(int decodeRows) const {
    if (!chunk_) return 0;
    const int left = limits_.layers - chunk_->layersDone;
    const double between = limits_.prefillShare * costs_.decodeStepMicros(decodeRows),
                 layer = costs_.layer().micros(chunk_->shape);
    if (!sharesTime(decodeRows) || between == 0.0 || layer == 0.0) return left;
    return std::clamp(static_cast<int>(between / layer), 1, left);
}

std::optional<Scheduler::Chunk> Scheduler::advanced(int layers, std::chrono::nanoseconds took) {
    costs_.observeLayers(chunk_->shape, layers, took);
    chunk_->layersDone += layers;
    if (chunk_->layersDone < limits_.layers) return std::nullopt;
    std::optional<Chunk> done = std::exchange(chunk_, std::nullopt);
    for (const Part& part : done->parts) computed(part);
    return done;
}

}  // namespace engine
