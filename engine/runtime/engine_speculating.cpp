#include <algorithm>
#include <utility>

#include "engine/runtime/device.h"
#include "engine/runtime/local_engine.h"
#include "engine/speculate/pairing.h"
#include "engine/speculate/verification.h"

/// LocalEngine: drafts, from loading their model to what became of them.
namespace engine {

Result<std::unique_ptr<ModelDrafter>> LocalEngine::loadDraft(const EngineOptions& options, KvType kvType,
                                                             const LoadProgress& progress) {
    auto file = GgufFile::open(options.draftModel);
    if (!file) return tl::unexpected<Error>(file.error());
    const auto tokenizer = Tokenizer::load(*file);
    if (!tokenizer) return tl::unexpected<Error>(tokenizer.error());
    if (auto fits = checkPairing(*tokenizer_, **tokenizer); !fits)
        return fail(fits.error().code, "{}: {}", options.draftModel.string(), fits.error().message);
    if (options.draftDevice && *options.draftDevice != options.device) {
        auto ops = openDevice(*options.draftDevice, options.threads, options.compute);
        if (!ops) return tl::unexpected<Error>(ops.error());
        draftOps_ = std::move(*ops);
    }
    ModelDrafter::Options draft;
    draft.contextTokens = limits_.maxContext;
    draft.maxSequences = std::min(limits_.maxSequences, limits_.maxLogitRows);
    draft.kvType = kvType;
    draft.targetVocabulary = config_.vocabulary;
    return ModelDrafter::load(std::move(*file), draftOps_ != nullptr ? *draftOps_ : *ops_, draft, clock_,
                              progress);
}

Result<void> LocalEngine::buildSpeculator(const EngineOptions& options, KvType kvType,
                                          const LoadProgress& progress) {
    std::unique_ptr<ModelDrafter> model;
    if (!options.draftModel.empty()) {
        auto loaded = loadDraft(options, kvType, progress);
        if (!loaded) return tl::unexpected<Error>(loaded.error());
        model = std::move(*loaded);
        if (draftOps_ == nullptr) plannedBytes_ += model->deviceBytes();
    }
    speculation_ = options.speculate;
    if (speculation_ == SpeculationMode::Draft && model == nullptr)
        return fail(ErrorCode::InvalidArgument,
                    "--speculate draft needs a draft model; give one with --draft, or use ngram or auto");
    speculator_ = std::make_unique<Speculator>(options.draftFromOtherChats, std::move(model),
                                               draftOps_ == nullptr, clock_);
    if (speculation_ == SpeculationMode::Auto)
        speculator_->setCosts(measureStepCosts(*transformer_, pools_, *ops_, clock_));
    return {};
}

Result<SpeculationMode> LocalEngine::speculationOf(const GenerateRequest& request) {
    const SpeculationMode mode = request.speculate.value_or(speculation_);
    if (mode == SpeculationMode::Draft && !speculator_->hasModel())
        return fail(ErrorCode::InvalidArgument,
                    "the request wants a draft model, but none is loaded; give one with --draft, or use "
                    "ngram or auto");
    // An engine that was loaded to speculate otherwise has not measured its steps yet.
    if (mode == SpeculationMode::Auto && !speculator_->knowsCosts())
        speculator_->setCosts(measureStepCosts(*transformer_, pools_, *ops_, clock_));
    return mode;
}

/// Tells the speculator what the step cost and brought; steps with prompts in them would mislead it.
void LocalEngine::noteStep(const Scheduler::Plan& plan, const std::vector<int32_t>& drawn,
                           std::chrono::nanoseconds took) {
    std::vector<Speculator::StepPart> parts;
    size_t next = 0;
    for (const Scheduler::Part& part : plan.parts) {
        const auto rows = static_cast<size_t>(part.logits);
        const auto own = std::span(drawn).subspan(std::exchange(next, next + rows), rows);
        if (part.sequence == nullptr) continue;
        const auto draft = std::span(part.sequence->draft).first(static_cast<size_t>(part.drafted()));
        if (part.first >= part.sequence->promptTokens)
            parts.push_back({part.sequence->id, part.drafted(), acceptedLength(draft, own)});
    }
    const bool isPlain = plan.batch.rows.prefill == 0 && drawn.size() == plan.batch.tokens.size();
    speculator_->stepTaken(parts, plan.batch.rows.decode, isPlain ? took : std::chrono::nanoseconds(0));
}

/// Takes the target's draws as far as the guesses before them were right: each is what a plain step would
/// have drawn there. What the wrong guesses stored is cut off.
void LocalEngine::verify(const Scheduler::Part& part, std::span<const TokenId> drawn,
                         std::chrono::nanoseconds now) {
    Sequence& sequence = *part.sequence;
    const RequestId id = sequence.id;
    const int drafted = part.drafted();
    const int stands = acceptedLength(std::span(sequence.draft).first(static_cast<size_t>(drafted)), drawn);
    sequence.draft.clear();
    if (drafted > 0) {
        for (BlockTable& table : sequence.tables) table.truncate(sequence.computed + stands);
        replies_.at(id).stats.draftedTokens += drafted;
    }
    for (int row = 0; row <= stands; ++row) {
        if (row > 0) {
            ++sequence.computed;
            ++replies_.at(id).stats.acceptedTokens;
        }
        accept(sequence, drawn[static_cast<size_t>(row)], now);
        if (!replies_.contains(id)) return;  // it ended; the sequence is gone
    }
}

}  // namespace engine
