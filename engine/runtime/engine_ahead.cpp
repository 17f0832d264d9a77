#include <algorithm>

#include "engine/runtime/local_engine.h"

/// LocalEngine: decode steps that a device computes while the host is busy with the step before.
///
/// A step in flight leaves its draws on the device, where the next step finds its tokens: it is enqueued
/// before the host knows them, and the device goes from one to the other without a pause. Its plan is the one
/// that would be made once they are known, but for sequences that end meanwhile: those are taken out of it
/// (release), and what their rows come to is thrown away. Their blocks may be given to others at once: all
/// that is enqueued later takes effect later, and uploads beside it wait for what was enqueued before them.
namespace engine {

std::vector<Sequence*> LocalEngine::sequencesOf(std::span<const Scheduler::Part> parts) const {
    std::vector<Sequence*> sequences;
    for (const Scheduler::Part& part : parts)
        if (part.sequence != nullptr) sequences.push_back(part.sequence);
    return sequences;
}

/// Each part is one row and its draw, and nothing else runs in this step.
bool LocalEngine::mayBeInFlight(const Scheduler::Plan& plan) const {
    return ops_->runsAhead() && !plan.parts.empty() && scheduler_->chunk() == nullptr &&
           std::ranges::all_of(plan.parts, [](const Scheduler::Part& part) {
               return part.count == 1 && part.logits == 1 && part.sequence->isDecoding();
           });
}

/// Takes the plan, unless the device fails: then its requests have failed.
void LocalEngine::enqueue(Scheduler::Plan& plan) {
    const Draws& draws = draws_[static_cast<size_t>(enqueued_++ % 2)];
    const auto now = clock_();
    try {
        const float* logits = transformer_->forward(plan.batch, pools_);
        std::vector<std::vector<int32_t>> penalised;
        std::vector<kernels::SamplingRow> rows = samplingRows(plan.parts, penalised);
        for (size_t i = 0; i < rows.size(); ++i) rows[i].drawn = draws.onDevice.as<int32_t>() + i;
        ops_->draw(logits, config_.vocabulary, rows);
        const uint64_t fetch =
            ops_->fetch(draws.onHost.data(), draws.onDevice.data(), rows.size() * sizeof(int32_t));
        inFlight_.push_back({std::move(plan), &draws, fetch, now});
    } catch (const std::exception& problem) {
        failParts(plan.parts, problem);
    }
}

/// Enqueues the step after the one in flight, where it is certain what that will be.
void LocalEngine::runAhead() {
    const StepInFlight& step = inFlight_.back();
    if (!speculator_->staysPlain(sequencesOf(step.plan.parts), mostStepRows())) return;
    auto ahead = scheduler_->scheduleAhead(step.plan, step.draws->onDevice.as<int32_t>());
    if (!ahead) return;
    ++stepsAhead_;
    enqueue(*ahead);
}

/// Waits for the oldest step in flight and takes its tokens; with `goesAhead` the next step is enqueued
/// before.
void LocalEngine::takeStep(bool goesAhead) {
    if (goesAhead) runAhead();
    StepInFlight& oldest = inFlight_.front();
    try {
        ops_->awaitFetch(oldest.fetch);
        speculator_->collect(sequencesOf(oldest.plan.parts));
    } catch (const std::exception& problem) {
        return failInFlight(problem);
    }
    const StepInFlight step = std::move(oldest);
    inFlight_.pop_front();
    const auto now = clock_();
    // The device began with it when it was done with the step before.
    const auto took = now - std::max(step.enqueued, lastTaken_);
    lastTaken_ = now;
    const auto* ids = reinterpret_cast<const int32_t*>(step.draws->onHost.data());
    const std::vector<int32_t> drawn(ids, ids + step.plan.parts.size());
    finishStep(step.plan, drawn, took, now);
    if (!inFlight_.empty()) scheduler_->follows(inFlight_.front().plan);
}

/// Those of the later step are among those of the first.
void LocalEngine::failInFlight(const std::exception& problem) {
    const std::vector<Scheduler::Part> parts = inFlight_.front().plan.parts;
    inFlight_.clear();
    failParts(parts, problem);
}

}  // namespace engine
