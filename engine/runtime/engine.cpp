#include "engine/runtime/engine.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "engine/gguf/gguf_file.h"
#include "engine/prompt/prompt_builder.h"
#include "engine/runtime/device.h"
#include "engine/runtime/memory_plan.h"
#include "engine/runtime/reply.h"
#include "engine/sampling/sampler.h"
#include "engine/schedule/scheduler.h"

namespace engine {
namespace {

double millis(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::milli>(time).count();
}
double perSecond(int count, std::chrono::nanoseconds time) {
    return time.count() > 0 ? count / std::chrono::duration<double>(time).count() : 0.0;
}

/// A loaded model and everything that runs it; see Engine for the threads.
class LocalEngine final : public Engine {
  public:
    static Result<std::unique_ptr<Engine>> load(const EngineOptions& options, const LoadProgress& progress,
                                                Clock clock);
    ~LocalEngine() override { stop(); }

    RequestId submit(GenerateRequest request) override;
    void cancel(RequestId id) override;
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
    Result<Score> score(const std::vector<TokenId>& ids, int rowsAtATime) override;
    void checkIntegrity() const override;

  private:
    struct Command {
        RequestId id;
        std::optional<GenerateRequest> request;  ///< nothing: cancel
        std::chrono::nanoseconds at;
    };

    explicit LocalEngine(GgufFile file) : file_(std::move(file)) {}
    Result<void> build(const EngineOptions& options, const LoadProgress& progress);

    bool takeCommands();
    void admit(Command& command);
    void runPlan(Scheduler::Plan& plan);
    void accept(Sequence& sequence, TokenId id, std::chrono::nanoseconds now);
    void finish(RequestId id, FinishReason reason);
    void failRequest(RequestId id, Error error);
    void failPlan(const Scheduler::Plan& plan, const Error& error);
    void emit(EngineEvent event);
    void publishStats();
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
    TransformerLimits limits_;
    size_t plannedBytes_ = 0;
    std::string deviceName_;

    // The engine thread's (the caller's where none was started).
    std::unique_ptr<Transformer> transformer_;
    std::vector<KvBlockPool> pools_;
    std::unique_ptr<Scheduler> scheduler_;
    std::map<RequestId, Reply> replies_;

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

Result<std::unique_ptr<Engine>> LocalEngine::load(const EngineOptions& options, const LoadProgress& progress,
                                                  Clock clock) {
    auto file = GgufFile::open(options.model);
    if (!file) return tl::unexpected<Error>(file.error());
    std::unique_ptr<LocalEngine> engine(new LocalEngine(std::move(*file)));
    engine->clock_ =
        clock ? std::move(clock) : [] { return std::chrono::steady_clock::now().time_since_epoch(); };
    try {
        if (auto built = engine->build(options, progress); !built)
            return tl::unexpected<Error>(built.error());
    } catch (const kernels::OutOfDeviceMemory& shortage) {
        return fail(ErrorCode::OutOfMemory, "{}: {}", options.model.string(), shortage.what());
    }
    return engine;
}

Result<void> LocalEngine::build(const EngineOptions& options, const LoadProgress& progress) {
    auto config = ModelConfig::read(file_);
    if (!config) return tl::unexpected<Error>(config.error());
    config_ = std::move(*config);
    auto tokenizer = Tokenizer::load(file_);
    if (!tokenizer) return tl::unexpected<Error>(tokenizer.error());
    tokenizer_ = std::move(*tokenizer);
    std::shared_ptr<const ChatTemplate> chatTemplate;
    if (const auto source = file_.string("tokenizer.chat_template")) {
        auto parsed = ChatTemplate::parse(std::string(*source));
        if (!parsed)
            return fail(parsed.error().code, "{}: {}", options.model.string(), parsed.error().message);
        chatTemplate = std::make_shared<const ChatTemplate>(std::move(*parsed));
    }
    prompts_ = std::make_unique<PromptBuilder>(tokenizer_, chatTemplate);

    auto ops = openDevice(options.device, options.threads, options.compute);
    if (!ops) return tl::unexpected<Error>(ops.error());
    ops_ = std::move(*ops);
    const KvType kvType = options.compute == ComputeChoice::Float ? KvType::F32 : options.kvType;
    if ((kvType == KvType::Q8_0 || kvType == KvType::Q4_0) &&
        (config_.keyDim % 32 != 0 || config_.valueDim % 32 != 0))
        return fail(ErrorCode::Unsupported,
                    "--kv-type q8_0 and q4_0 need heads of a multiple of 32 values, but this model's have "
                    "{}; use f16",
                    config_.keyDim);
    const KvLayout layout = KvLayout::of(config_, kvType);
    limits_.maxLogitRows = options.maxLogitRows;
    const kernels::DeviceInfo device = ops_->info();
    // A GPU unpacks each weight once a chunk, so its chunks are longer.
    limits_.maxRows = options.maxRows > 0 ? options.maxRows : device.kind == "cuda" ? 2048 : 512;
    deviceName_ = fmt::format("{}: {}", device.kind, device.name);
    const MemoryPlan plan =
        planMemory(file_, config_, layout, limits_, options.contextTokens, options.kvBytes, device.freeBytes);
    if (!plan.fits) return fail(ErrorCode::OutOfMemory, "{} {}", options.model.string(), plan.explain());
    limits_.maxContext = plan.contextTokens;
    plannedBytes_ = plan.total();

    auto transformer = Transformer::load(file_, config_, *ops_, limits_, progress);
    if (!transformer) return tl::unexpected<Error>(transformer.error());
    transformer_ = std::move(*transformer);
    pools_.reserve(layout.groups.size());
    const size_t perToken = layout.bytesPerToken();
    for (const KvGroupLayout& group : layout.groups) {
        // Every group gets the blocks of the same number of tokens.
        const size_t tokens = plan.kv / perToken;
        pools_.emplace_back(
            *ops_, group,
            static_cast<int>(std::max<size_t>(1, tokens / static_cast<size_t>(group.blockTokens))));
    }
    scheduler_ = std::make_unique<Scheduler>(
        std::span(pools_),
        SchedulerLimits{limits_.maxRows, std::min(limits_.maxSequences, limits_.maxLogitRows)},
        makeFcfsPolicy());
    model_ = {config_.name,          config_.architectureName, limits_.maxContext,
              config_.contextLength, chatTemplate != nullptr,  tokenizer_->vocabularyHash()};
    publishStats();
    return {};
}

RequestId LocalEngine::submit(GenerateRequest request) {
    const std::lock_guard lock(mutex_);
    const RequestId id = nextId_++;
    commands_.push_back({id, std::move(request), clock_()});
    commandsWaiting_.notify_one();
    return id;
}

void LocalEngine::cancel(RequestId id) {
    const std::lock_guard lock(mutex_);
    commands_.push_back({id, std::nullopt, clock_()});
    commandsWaiting_.notify_one();
}

std::vector<EngineEvent> LocalEngine::takeEvents() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

EngineStats LocalEngine::stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
}

void LocalEngine::emit(EngineEvent event) {
    std::function<void()> wake;
    {
        const std::lock_guard lock(mutex_);
        if (events_.empty()) wake = wake_;
        events_.push_back(std::move(event));
    }
    if (wake) wake();
}

void LocalEngine::start(std::function<void()> wake) {
    {
        const std::lock_guard lock(mutex_);
        wake_ = std::move(wake);
    }
    thread_ = std::jthread([this](const std::stop_token& stopping) {
        while (!stopping.stop_requested()) {
            if (step()) continue;
            std::unique_lock lock(mutex_);
            commandsWaiting_.wait(lock, stopping, [this] { return !commands_.empty(); });
        }
    });
}

void LocalEngine::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
}

bool LocalEngine::takeCommands() {
    std::vector<Command> commands;
    {
        const std::lock_guard lock(mutex_);
        commands.swap(commands_);
    }
    for (Command& command : commands) {
        if (command.request)
            admit(command);
        else if (replies_.contains(command.id))
            finish(command.id, FinishReason::Cancelled);
    }
    return !commands.empty();
}

void LocalEngine::admit(Command& command) {
    auto ids = prompts_->build(*command.request);
    if (!ids) return failRequest(command.id, ids.error());
    const int prompt = static_cast<int>(ids->size());
    if (prompt >= limits_.maxContext)
        return failRequest(
            command.id,
            {ErrorCode::ContextFull,
             fmt::format(
                 "the conversation has {} tokens, but the context holds {}; start a new chat, shorten it, or "
                 "load the model with a larger context",
                 prompt, limits_.maxContext)});
    Reply& reply = replies_.emplace(command.id, Reply(tokenizer_, command.request->sampling)).first->second;
    reply.submitted = command.at;
    reply.stats.promptTokens = prompt;
    reply.stats.prefillTokens = prompt;
    reply.stats.contextLimit = limits_.maxContext;

    auto sequence = std::make_unique<Sequence>();
    sequence->id = command.id;
    sequence->sampling = std::move(command.request->sampling);
    sequence->priority = command.request->priority;
    sequence->tokens = std::move(*ids);
    sequence->promptTokens = prompt;
    sequence->promptBorder = command.request->promptBorder;
    const int wanted = command.request->maxNewTokens;
    sequence->maxTokens = wanted < 0 ? limits_.maxContext : std::min(limits_.maxContext, prompt + wanted);
    sequence->submitted = command.at;
    emit(Started{command.id, prompt, 0});
    const bool nothingWanted = sequence->maxTokens <= prompt;
    scheduler_->add(std::move(sequence));
    if (nothingWanted) finish(command.id, FinishReason::Length);
}

bool LocalEngine::step() {
    bool worked = takeCommands();
    std::vector<std::unique_ptr<Sequence>> impossible;
    Scheduler::Plan plan = scheduler_->schedule(clock_(), impossible);
    for (const auto& sequence : impossible)
        failRequest(sequence->id, {ErrorCode::ContextFull,
                                   fmt::format("{} tokens do not fit into the {} blocks of 16 tokens that "
                                               "the cache has; close other chats or raise --kv-bytes",
                                               sequence->tokens.size(), pools_.front().totalBlocks())});
    worked = worked || !impossible.empty();
    if (!plan.empty()) {
        runPlan(plan);
        worked = true;
    }
    publishStats();
    return worked;
}

void LocalEngine::runPlan(Scheduler::Plan& plan) {
    std::vector<int32_t> drawn(plan.batch.logitRows.size());
    try {
        const float* logits = transformer_->forward(plan.batch, pools_);
        std::vector<std::vector<int32_t>> penalised(drawn.size());
        std::vector<kernels::SamplingRow> rows;
        for (const Scheduler::Part& part : plan.parts)
            if (part.samples)
                rows.push_back(samplingRow(part.sequence->sampling, part.sequence->tokens,
                                           static_cast<uint64_t>(part.sequence->newTokens()),
                                           penalised[rows.size()]));
        if (!rows.empty()) ops_->sample(logits, config_.vocabulary, rows, drawn);
        ops_->synchronize();
    } catch (const std::exception& problem) {
        return failPlan(plan,
                        {ErrorCode::Internal,
                         fmt::format("the device failed while computing ({}); try again, or choose the CPU",
                                     problem.what())});
    }
    const auto now = clock_();
    scheduler_->completed(plan);
    size_t next = 0;
    for (const Scheduler::Part& part : plan.parts) {
        const Sequence& sequence = *part.sequence;
        if (part.samples)
            accept(*part.sequence, drawn[next++], now);
        else
            emit(PromptProgress{sequence.id, std::min(sequence.computed, sequence.promptTokens),
                                sequence.promptTokens});
    }
}

void LocalEngine::accept(Sequence& sequence, TokenId id, std::chrono::nanoseconds now) {
    Reply& reply = replies_.at(sequence.id);
    sequence.tokens.push_back(id);
    if (++reply.stats.newTokens == 1) reply.firstToken = now;
    reply.lastToken = now;
    reply.stats.queueMillis = millis(sequence.admitted - sequence.submitted);
    reply.stats.prefillTokensPerSecond =
        perSecond(reply.stats.prefillTokens, reply.firstToken - sequence.admitted);
    reply.stats.contextTokens = static_cast<int>(sequence.tokens.size());

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
    scheduler_->remove(id);
    const auto found = replies_.find(id);
    Reply& reply = found->second;
    if (std::string rest = reply.stops.stopped() ? std::string() : reply.flush(); !rest.empty())
        emit(TextDelta{id, std::move(rest), {}});
    RequestStats& stats = reply.stats;
    if (stats.newTokens > 0) stats.ttftMillis = millis(reply.firstToken - reply.submitted);
    if (stats.newTokens > 1)
        stats.decodeTokensPerSecond = perSecond(stats.newTokens - 1, reply.lastToken - reply.firstToken);
    emit(Finished{id, reason, stats});
    replies_.erase(found);
}

void LocalEngine::failRequest(RequestId id, Error error) {
    scheduler_->remove(id);
    replies_.erase(id);
    emit(Failed{id, std::move(error)});
}

void LocalEngine::failPlan(const Scheduler::Plan& plan, const Error& error) {
    std::vector<RequestId> ids;
    for (const Scheduler::Part& part : plan.parts) ids.push_back(part.sequence->id);
    for (const RequestId id : ids) failRequest(id, error);
}

void LocalEngine::publishStats() {
    EngineStats stats;
    stats.device = deviceName_;
    stats.running = scheduler_->running();
    stats.waiting = scheduler_->waiting();
    stats.weightBytes = transformer_->weightBytes();
    for (const KvBlockPool& pool : pools_) {
        stats.kvBlocksUsed += pool.usedBlocks();
        stats.kvBlocksTotal += pool.totalBlocks();
        stats.kvBytesUsed += pool.layout().bytesPerBlock() * static_cast<size_t>(pool.usedBlocks());
        stats.kvBytesTotal += pool.layout().bytesPerBlock() * static_cast<size_t>(pool.totalBlocks());
    }
    stats.peakDeviceBytes = plannedBytes_;
    const std::lock_guard lock(mutex_);
    stats_ = std::move(stats);
}

void LocalEngine::addScores(Score& score, const float* logits, int rows, const std::vector<TokenId>& ids,
                            size_t firstRow) const {
    const auto vocabulary = static_cast<size_t>(config_.vocabulary);
    for (int row = 0; row < rows; ++row) {
        const std::span<const float> values(logits + static_cast<size_t>(row) * vocabulary, vocabulary);
        const auto best = std::ranges::max_element(values);
        score.likeliest.push_back(static_cast<TokenId>(best - values.begin()));
        const size_t position = firstRow + static_cast<size_t>(row);
        if (position + 1 >= ids.size()) continue;
        double sum = 0.0;
        for (const float value : values) sum += std::exp(static_cast<double>(value - *best));
        score.nll.push_back(std::log(sum) + static_cast<double>(*best) -
                            static_cast<double>(values[static_cast<size_t>(ids[position + 1])]));
    }
}

Result<Engine::Score> LocalEngine::score(const std::vector<TokenId>& ids, int rowsAtATime) {
    if (ids.empty()) return fail(ErrorCode::InvalidArgument, "there is no text to score");
    if (static_cast<int>(ids.size()) > limits_.maxContext)
        return fail(
            ErrorCode::ContextFull,
            "the text has {} tokens, but the context holds {}; give a larger --context or a shorter text",
            ids.size(), limits_.maxContext);
    for (const TokenId id : ids)
        if (id < 0 || id >= config_.vocabulary)
            return fail(ErrorCode::InvalidArgument, "the id {} is not among the {} of the vocabulary", id,
                        config_.vocabulary);
    const int most = std::min(limits_.maxRows, limits_.maxLogitRows);
    const int chunk = rowsAtATime > 0 ? std::min(rowsAtATime, most) : most;
    Score score;
    std::vector<BlockTable> tables;
    for (KvBlockPool& pool : pools_) tables.emplace_back(pool);
    std::vector<float> logits(static_cast<size_t>(chunk) * static_cast<size_t>(config_.vocabulary));
    const int total = static_cast<int>(ids.size());
    for (int first = 0; first < total; first += chunk) {
        const int count = std::min(chunk, total - first);
        Batch batch;
        batch.rows.prefill = count;
        batch.rowStart = {0, count};
        batch.contextLength = {first + count};
        for (int row = 0; row < count; ++row) {
            batch.tokens.push_back(ids[static_cast<size_t>(first + row)]);
            batch.positions.push_back(first + row);
            batch.logitRows.push_back(row);
        }
        for (BlockTable& table : tables) {
            if (!table.reserve(first + count, first))
                return fail(ErrorCode::OutOfMemory, "the cache has no room for {} tokens; raise --kv-bytes",
                            first + count);
            Batch::Group group;
            group.tableStart = {0, static_cast<int32_t>(table.blocks().size())};
            group.blocks.assign(table.blocks().begin(), table.blocks().end());
            for (int row = 0; row < count; ++row) group.slots.push_back(table.slot(first + row));
            batch.groups.push_back(std::move(group));
        }
        const float* device = transformer_->forward(batch, pools_);
        ops_->download(logits.data(), device,
                       static_cast<size_t>(count) * static_cast<size_t>(config_.vocabulary) * sizeof(float));
        addScores(score, logits.data(), count, ids, static_cast<size_t>(first));
        for (size_t g = 0; g < tables.size(); ++g)
            if (const int window = pools_[g].layout().window; window > 0)
                tables[g].releaseBefore(first + count - window + 1);
    }
    return score;
}

void LocalEngine::checkIntegrity() const {
    for (const KvBlockPool& pool : pools_) pool.checkIntegrity();
}

}  // namespace

const char* toString(FinishReason reason) {
    switch (reason) {
        case FinishReason::Stop:
            return "stop";
        case FinishReason::Length:
            return "length";
        case FinishReason::Cancelled:
            return "cancelled";
        case FinishReason::Failed:
            return "failed";
    }
    return "";
}

Result<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options, const LoadProgress& progress,
                                             Clock clock) {
    return LocalEngine::load(options, progress, std::move(clock));
}

}  // namespace engine
