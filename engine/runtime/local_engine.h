#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "engine/gguf/gguf_file.h"
#include "engine/kv/radix_cache.h"
#include "engine/kv/tier_stack.h"
#include "engine/prompt/prompt_builder.h"
#include "engine/runtime/engine.h"
#include "engine/runtime/latency_log.h"
#include "engine/runtime/reply.h"
#include "engine/schedule/scheduler.h"
#include "engine/speculate/speculator.h"

namespace engine {

/// A loaded model and everything that runs it; see Engine for the threads.
class LocalEngine final : public Engine {
  public:
    static Result<std::unique_ptr<Engine>> load(const EngineOptions& options, const LoadProgress& progress,
                                                Clock clock);
    ~LocalEngine() override;

    RequestId submit(GenerateRequest request) override;
    void cancel(RequestId id) override;
    void setPriority(RequestId id, int priority) override;
    void forget(GenerateRequest conversation) override;
    void forgetEverything() override;
    std::vector<EngineEvent> takeEvents() override;
    EngineStats stats() const override;
    const LoadedModel& model() const override { return model_; }
    const Tokenizer& tokenizer() const override { return *tokenizer_; }
    Result<std::vector<TokenId>> promptTokens(const GenerateRequest& request) const override {
        return prompts_->build(request);
    }
    void start(std::function<void()> wake) override;
    void stop() override;
    bool step() override;
    Result<Score> score(const std::vector<TokenId>& ids, int rowsAtATime, ScoreRows kind) override;
    void checkIntegrity() const override;

  private:
    enum class Verb : uint8_t { Submit, Cancel, SetPriority, Forget, ForgetEverything };
    struct Command {
        Verb verb;
        RequestId id;
        GenerateRequest request;
        std::chrono::nanoseconds at;
    };

    /// Where the draws of a step go: [maxLogitRows] ids each. Two steps in flight have one each.
    struct Draws {
        kernels::HostBuffer onHost;
        kernels::DeviceBuffer onDevice;  ///< goes first: it waits for copies to the other
    };
    /// A decode step that is enqueued and whose tokens the host has not read. Parts whose sequence has left
    /// have none any more: what their rows come to is thrown away.
    struct StepInFlight {
        Scheduler::Plan plan;
        const Draws* draws;
        uint64_t fetch;  ///< of the draws, see Ops::fetch
        std::chrono::nanoseconds enqueued;
    };

    explicit LocalEngine(GgufFile file) : file_(std::move(file)) {}
    Result<void> tryToBuild(const EngineOptions& options, const LoadProgress& progress);
    Result<void> build(const EngineOptions& options, const LoadProgress& progress);
    uint64_t namespaceOf(const EngineOptions& options, KvType kvType) const;
    void buildCache(const EngineOptions& options, KvType kvType);
    Result<void> buildSpeculator(const EngineOptions& options, KvType kvType, const LoadProgress& progress);
    Result<std::unique_ptr<ModelDrafter>> loadDraft(const EngineOptions& options, KvType kvType,
                                                    const LoadProgress& progress);
    Result<SpeculationMode> speculationOf(const GenerateRequest& request);

    RequestId push(Verb verb, RequestId id, GenerateRequest request);
    bool stepOnce();
    bool takeCommands();
    void take(Command& command);
    bool refuseCommands();
    void loseDevice(const std::runtime_error& problem);
    void eraseAllChats();
    void forgetNext();
    bool saveSome(int blocks);
    void admit(Command& command);
    Result<std::vector<TokenId>> fittingPrompt(RequestId id, GenerateRequest& request, int& rewritten);
    void begin(const Sequence& sequence);
    int mostStepRows() const { return std::min(limits_.maxRows, limits_.maxLogitRows); }
    bool planStep();
    void runPlan(const Scheduler::Plan& plan);
    bool mayBeInFlight(const Scheduler::Plan& plan) const;
    void enqueue(Scheduler::Plan& plan);
    void runAhead();
    void takeStep(bool goesAhead);
    void failInFlight(const std::exception& problem);
    std::vector<Sequence*> sequencesOf(std::span<const Scheduler::Part> parts) const;
    void advanceChunk(int layers);
    static std::vector<kernels::SamplingRow> samplingRows(std::span<const Scheduler::Part> parts,
                                                          std::vector<std::vector<int32_t>>& penalised);
    std::vector<int32_t> draw(std::span<const Scheduler::Part> parts, const float* logits);
    void finishStep(const Scheduler::Plan& plan, const std::vector<int32_t>& drawn,
                    std::chrono::nanoseconds took, std::chrono::nanoseconds now);
    void takeDrawn(std::span<const Scheduler::Part> parts, std::span<const TokenId> drawn,
                   std::chrono::nanoseconds now);
    void noteStep(const Scheduler::Plan& plan, const std::vector<int32_t>& drawn,
                  std::chrono::nanoseconds took);
    void verify(const Scheduler::Part& part, std::span<const TokenId> drawn, std::chrono::nanoseconds now);
    void accept(Sequence& sequence, TokenId id, std::chrono::nanoseconds now);
    void finish(RequestId id, FinishReason reason);
    void release(RequestId id, bool keep);
    void failRequest(RequestId id, Error error);
    void failParts(std::span<const Scheduler::Part> parts, const std::exception& problem);
    void emit(EngineEvent event);
    void publishStats();
    double waste() const;
    Result<Score> scoreRows(const std::vector<TokenId>& ids, int chunk, ScoreRows kind);
    void addScores(Score& score, const float* logits, int rows, const std::vector<TokenId>& ids,
                   size_t firstRow) const;

    // Set while loading, constant afterwards.
    GgufFile file_;
    ModelConfig config_;
    LoadedModel model_;
    Clock clock_;
    std::shared_ptr<const Tokenizer> tokenizer_;
    std::unique_ptr<PromptBuilder> prompts_;
    std::unique_ptr<kernels::Ops> ops_;
    std::unique_ptr<kernels::Ops> draftOps_;  ///< null: the draft model runs on ops_
    SpeculationMode speculation_ = SpeculationMode::Auto;
    TransformerLimits limits_;
    size_t plannedBytes_ = 0;
    double loadMillis_ = 0, weightsMillis_ = 0;
    std::string deviceName_;
    uint64_t space_ = 0;  ///< this model's namespace in the prefix cache
    bool promptsDependOnDate_ = false;
    std::chrono::milliseconds saveAtEnd_{};

    // The engine thread's (the caller's where none was started). Order matters: blocks go before pools.
    std::unique_ptr<Transformer> transformer_;
    std::vector<KvBlockPool> pools_;
    std::unique_ptr<TierStack> tiers_;
    std::unique_ptr<RadixCache> cache_;
    std::unique_ptr<Scheduler> scheduler_;
    std::unique_ptr<Speculator> speculator_;
    std::array<Draws, 2> draws_;            ///< none on a device that does not run ahead
    std::deque<StepInFlight> inFlight_;     ///< oldest first; at most one between two calls of step()
    std::chrono::nanoseconds lastTaken_{};  ///< when the tokens of a step in flight were read last
    int64_t enqueued_ = 0, stepsAhead_ = 0;
    std::map<RequestId, Reply> replies_;
    std::deque<Command> taken_;  ///< commands of this step that are still to be looked at
    std::deque<GenerateRequest> toForget_;
    std::string lost_;                     ///< why nothing can run any more; empty: it can
    std::chrono::nanoseconds stepTime_{};  ///< of all steps with rows
    int64_t promptTokens_ = 0, cachedTokens_ = 0, rewrittenPrompts_ = 0;
    LatencyLog queue_{128}, firstTokens_{128}, gaps_{1024};
    std::chrono::nanoseconds rateStart_{};
    int rateTokens_ = 0;
    double tokensPerSecond_ = 0.0;
    size_t peakBytes_ = 0;  ///< of the device, looked at as replies end

    // Shared, under mutex_.
    mutable std::mutex mutex_;
    std::condition_variable_any commandsWaiting_;
    std::vector<Command> commands_;
    std::vector<EngineEvent> events_;
    EngineStats stats_;
    std::function<void()> wake_;
    RequestId nextId_ = 1;
    std::jthread thread_;
};

}  // namespace engine
