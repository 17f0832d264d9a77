#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "engine/durations.h"
#include "engine/runtime/local_engine.h"
#include "engine/speculate/verification.h"

/// LocalEngine: one step, and what its tokens become.
namespace engine {
namespace {

double perSecond(int count, std::chrono::nanoseconds time) {
    return time.count() > 0 ? count / std::chrono::duration<double>(time).count() : 0.0;
}

}  // namespace

bool LocalEngine::step() {
    if (!lost_.empty()) return refuseCommands();
    try {
        return stepOnce();
    } catch (const std::runtime_error& problem) {
        loseDevice(problem);
        return true;
    }
}

bool LocalEngine::stepOnce() {
    bool worked = takeCommands();
    if (!toForget_.empty()) {
        forgetNext();
        worked = true;
    }
    const bool goesAhead = inFlight_.empty() || !worked;  // else the next step is to see what was asked for
    if (inFlight_.empty() && planStep()) worked = true;
    if (!inFlight_.empty()) {
        takeStep(goesAhead);
        worked = true;
    }
    if (!worked && scheduler_->waiting() == 0) worked = saveSome(4) || speculator_->prepareSome();
    publishStats();
    return worked;
}

/// Runs what is next, or enqueues it where its tokens need not be waited for. False: nothing is to do.
bool LocalEngine::planStep() {
    speculator_->propose(scheduler_->decoding(), mostStepRows());
    Scheduler::Plan plan = scheduler_->schedule(clock_());
    for (const auto& sequence : plan.impossible)
        failRequest(sequence->id, {ErrorCode::ContextFull,
                                   fmt::format("{} tokens do not fit into the {} blocks of {} tokens that "
                                               "the cache has; shorten the chat or raise --kv-bytes",
                                               sequence->tokens.size(), pools_.front().totalBlocks(),
                                               pools_.front().layout().blockTokens)});
    for (const Sequence* sequence : plan.started) begin(*sequence);
    const bool worked = !plan.impossible.empty() || !plan.empty();
    if (mayBeInFlight(plan))
        enqueue(plan);
    else if (!plan.parts.empty())
        runPlan(plan);
    if (scheduler_->chunk() != nullptr) advanceChunk(plan.chunkLayers);
    return worked;
}

void LocalEngine::begin(const Sequence& sequence) {
    Reply& reply = replies_.at(sequence.id);
    reply.stats.cachedTokens = sequence.cachedTokens;
    reply.stats.queueMillis = inMillis(sequence.started - sequence.submitted);
    queue_.add(reply.stats.queueMillis);
    promptTokens_ += sequence.promptTokens;
    cachedTokens_ += sequence.cachedTokens;
    emit(Started{sequence.id, sequence.promptTokens, sequence.cachedTokens});
}

/// How these parts' tokens are drawn. `penalised` must last as long as the rows.
std::vector<kernels::SamplingRow> LocalEngine::samplingRows(std::span<const Scheduler::Part> parts,
                                                            std::vector<std::vector<int32_t>>& penalised) {
    std::vector<kernels::SamplingRow> rows;
    size_t count = 0;
    for (const Scheduler::Part& part : parts) count += static_cast<size_t>(part.logits);
    penalised.resize(count);
    for (const Scheduler::Part& part : parts)
        if (part.token != nullptr)
            appendSamplingRowAhead(*part.sequence, part.token, rows, penalised);
        else if (part.logits > 0)
            appendSamplingRows(*part.sequence, part.drafted(), rows, penalised);
    return rows;
}

/// The tokens drawn from these parts' logits, in order. Waits for the device.
std::vector<int32_t> LocalEngine::draw(std::span<const Scheduler::Part> parts, const float* logits) {
    std::vector<std::vector<int32_t>> penalised;
    const std::vector<kernels::SamplingRow> rows = samplingRows(parts, penalised);
    std::vector<int32_t> drawn(rows.size());
    if (!rows.empty()) ops_->sample(logits, config_.vocabulary, rows, drawn);
    ops_->synchronize();
    return drawn;
}

void LocalEngine::runPlan(const Scheduler::Plan& plan) {
    std::vector<int32_t> drawn;
    const auto before = clock_();
    try {
        drawn = draw(plan.parts, transformer_->forward(plan.batch, pools_));
        speculator_->collect(sequencesOf(plan.parts));
    } catch (const std::exception& problem) {
        return failParts(plan.parts, problem);
    }
    const auto now = clock_();
    finishStep(plan, drawn, now - before, now);
}

void LocalEngine::finishStep(const Scheduler::Plan& plan, const std::vector<int32_t>& drawn,
                             std::chrono::nanoseconds took, std::chrono::nanoseconds now) {
    stepTime_ += took;
    noteStep(plan, drawn, took);
    scheduler_->completed(plan, took);
    takeDrawn(plan.parts, drawn, now);
}

/// Some more layers of the prompts that are on their way; with the last ones, their first tokens.
void LocalEngine::advanceChunk(int layers) {
    const Scheduler::Chunk& chunk = *scheduler_->chunk();
    std::vector<int32_t> drawn;
    const auto before = clock_();
    try {
        if (chunk.layersDone == 0) transformer_->begin(chunk.batch);
        const float* logits = transformer_->advance(layers, pools_);
        if (logits != nullptr)
            drawn = draw(chunk.parts, logits);
        else
            ops_->synchronize();
    } catch (const std::exception& problem) {
        return failParts(std::vector(chunk.parts), problem);
    }
    const auto now = clock_();
    stepTime_ += now - before;
    if (const auto done = scheduler_->advanced(layers, now - before)) takeDrawn(done->parts, drawn, now);
}

/// What the parts' rows came to.
void LocalEngine::takeDrawn(std::span<const Scheduler::Part> parts, std::span<const TokenId> drawn,
                            std::chrono::nanoseconds now) {
    size_t next = 0;
    for (const Scheduler::Part& part : parts) {
        const auto rows = static_cast<size_t>(part.logits);
        const size_t first = std::exchange(next, next + rows);
        if (part.sequence == nullptr) continue;
        const Sequence& sequence = *part.sequence;
        if (part.logits > 0)
            verify(part, drawn.subspan(first, rows), now);
        else
            emit(PromptProgress{sequence.id, std::min(sequence.computed, sequence.promptTokens),
                                sequence.promptTokens});
    }
}

void LocalEngine::accept(Sequence& sequence, TokenId id, std::chrono::nanoseconds now) {
    Reply& reply = replies_.at(sequence.id);
    sequence.tokens.push_back(id);
    RequestStats& stats = reply.stats;
    if (++stats.newTokens == 1) {
        reply.firstToken = now;
        stats.prefillTokens = sequence.prefilledTokens;
        stats.prefillTokensPerSecond = perSecond(stats.prefillTokens, now - sequence.started);
        firstTokens_.add(inMillis(now - reply.submitted));
    } else {
        gaps_.add(inMillis(now - reply.lastToken));
    }
    reply.lastToken = now;
    stats.contextTokens = static_cast<int>(sequence.tokens.size());
    stats.kvBlocks = sequence.mostBlocks;
    ++rateTokens_;
    if (now - rateStart_ >= std::chrono::seconds(1)) {
        tokensPerSecond_ = perSecond(rateTokens_, now - rateStart_);
        rateStart_ = now;
        rateTokens_ = 0;
    }

    const bool ended = tokenizer_->isEndOfGeneration(id) && !sequence.sampling.ignoreEndOfGeneration;
    std::string text = ended ? std::string() : reply.push(id);
    const bool full = static_cast<int>(sequence.tokens.size()) >= sequence.maxTokens;
    emit(TextDelta{sequence.id, std::move(text), {id}});
    if (ended || reply.stops.stopped())
        finish(sequence.id, FinishReason::Stop);
    else if (full)
        finish(sequence.id, FinishReason::Length);
}

void LocalEngine::finish(RequestId id, FinishReason reason) {
    const auto found = replies_.find(id);
    Reply& reply = found->second;
    reply.stats.speculationGain = speculator_->gainOf(id);
    release(id, true);
    if (std::string rest = reply.stops.stopped() ? std::string() : reply.flush(); !rest.empty())
        emit(TextDelta{id, std::move(rest), {}});
    RequestStats& stats = reply.stats;
    if (stats.newTokens > 0) stats.ttftMillis = inMillis(reply.firstToken - reply.submitted);
    if (stats.newTokens > 1)
        stats.decodeTokensPerSecond = perSecond(stats.newTokens - 1, reply.lastToken - reply.firstToken);
    emit(Finished{id, reason, stats});
    replies_.erase(found);
    peakBytes_ = std::max(peakBytes_, ops_->peakBytes());
}

void LocalEngine::release(RequestId id, bool keep) {
    for (StepInFlight& step : inFlight_)
        for (Scheduler::Part& part : step.plan.parts)
            if (part.sequence != nullptr && part.sequence->id == id) part.sequence = nullptr;
    if (const auto sequence = scheduler_->remove(id, keep)) speculator_->forget(*sequence);
}

void LocalEngine::failRequest(RequestId id, Error error) {
    release(id, false);
    replies_.erase(id);
    emit(Failed{id, std::move(error)});
}

void LocalEngine::failParts(std::span<const Scheduler::Part> parts, const std::exception& problem) {
    const Error error{
        ErrorCode::Internal,
        fmt::format("the device failed while computing ({}); try again, or choose the CPU", problem.what())};
    std::vector<RequestId> ids;
    for (const Sequence* sequence : sequencesOf(parts)) ids.push_back(sequence->id);
    for (const RequestId id : ids) failRequest(id, error);
}

/// The device failed outside of a batch: while blocks were copied, kept or brought back. What the cache and
/// the block tables say of it may not be true any more, so nothing runs on it again.
void LocalEngine::loseDevice(const std::runtime_error& problem) {
    inFlight_.clear();
    lost_ = fmt::format("the device failed ({}); load the model again, or choose the CPU", problem.what());
    for (const auto& [id, reply] : replies_) emit(Failed{id, {ErrorCode::Internal, lost_}});
    replies_.clear();
    refuseCommands();
    const std::lock_guard lock(mutex_);
    stats_.running = stats_.waiting = 0;
}

bool LocalEngine::refuseCommands() {
    std::deque<Command> commands = std::exchange(taken_, {});
    {
        const std::lock_guard lock(mutex_);
        std::ranges::move(commands_, std::back_inserter(commands));
        commands_.clear();
    }
    for (const Command& command : commands)
        if (command.verb == Verb::Submit) emit(Failed{command.id, {ErrorCode::Internal, lost_}});
    return !commands.empty();
}

}  // namespace engine
