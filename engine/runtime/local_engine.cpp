#include "engine/runtime/local_engine.h"

#include <algorithm>
#include <iterator>
#include <utility>

/// LocalEngine: commands in, events out, and the thread between.
namespace engine {

LocalEngine::~LocalEngine() {
    stop();
    if (!lost_.empty()) return;
    try {
        // A chat that was deleted just before the end must not stay on disk.
        takeCommands();
        while (!toForget_.empty()) forgetNext();
        inFlight_.clear();
        scheduler_.reset();
        // What was said stays warm across a restart.
        const auto end = std::chrono::steady_clock::now() + saveAtEnd_;
        while (std::chrono::steady_clock::now() < end && saveSome(8)) continue;
    } catch (const std::runtime_error&) {
        // A device that is gone has nothing to save.
    }
}

/// The most recent first: what the device holds, then what it evicted.
bool LocalEngine::saveSome(int blocks) {
    return (cache_ != nullptr && cache_->saveSome(blocks)) || (tiers_ != nullptr && tiers_->saveSome(blocks));
}

RequestId LocalEngine::push(Verb verb, RequestId id, GenerateRequest request) {
    const std::lock_guard lock(mutex_);
    if (verb == Verb::Submit) id = nextId_++;
    commands_.push_back({verb, id, std::move(request), clock_()});
    commandsWaiting_.notify_one();
    return id;
}

RequestId LocalEngine::submit(GenerateRequest request) {
    return push(Verb::Submit, 0, std::move(request));
}
void LocalEngine::cancel(RequestId id) {
    push(Verb::Cancel, id, {});
}
void LocalEngine::setPriority(RequestId id, int priority) {
    GenerateRequest request;
    request.priority = priority;
    push(Verb::SetPriority, id, std::move(request));
}
void LocalEngine::forget(GenerateRequest conversation) {
    push(Verb::Forget, 0, std::move(conversation));
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

void LocalEngine::forgetEverything() {
    push(Verb::ForgetEverything, 0, {});
}

bool LocalEngine::takeCommands() {
    {
        const std::lock_guard lock(mutex_);
        std::ranges::move(commands_, std::back_inserter(taken_));
        commands_.clear();
    }
    const bool isAny = !taken_.empty();
    while (!taken_.empty()) {
        take(taken_.front());
        taken_.pop_front();  // only now: what fails in between must still be answered
    }
    return isAny;
}

void LocalEngine::take(Command& command) {
    switch (command.verb) {
        case Verb::Submit:
            admit(command);
            break;
        case Verb::Cancel:
            if (replies_.contains(command.id)) finish(command.id, FinishReason::Cancelled);
            break;
        case Verb::SetPriority:
            if (Sequence* sequence = scheduler_->find(command.id))
                sequence->priority = command.request.priority;
            break;
        case Verb::Forget:
            toForget_.push_back(std::move(command.request));
            break;
        case Verb::ForgetEverything:
            eraseAllChats();
            break;
    }
}

void LocalEngine::eraseAllChats() {
    toForget_.clear();
    prompts_->forgetTexts();
    speculator_->eraseAll();
    if (cache_ != nullptr) cache_->clear();
}

void LocalEngine::forgetNext() {
    GenerateRequest conversation = std::move(toForget_.front());
    toForget_.pop_front();
    if (promptsDependOnDate_) return eraseAllChats();
    // A reply's own sequence is its prompt and what was generated, whatever of that became text.
    std::vector<TokenId> generated;
    auto& messages = conversation.messages;
    auto& own = conversation.generatedIds;
    if (!messages.empty() && messages.back().value("role", "") == "assistant" &&
        own.size() == messages.size() && !own.back().empty()) {
        generated = std::move(own.back());
        own.pop_back();
        messages.erase(messages.size() - 1);
    }
    auto ids = prompts_->build(conversation);
    prompts_->forgetTexts();
    if (!ids) return;
    ids->insert(ids->end(), generated.begin(), generated.end());
    speculator_->erase(*ids);
    if (cache_ == nullptr) return;
    cache_->forget(space_, *ids);
    if (tiers_ == nullptr || tiers_->disk() == nullptr) return;
    // Block names are chains of token ids, so those of another device or KV type can be told as well.
    const DiskTier& disk = *tiers_->disk();
    for (const uint64_t space : disk.otherSpaces()) {
        TierStack others(nullptr, std::make_unique<DiskTier>(disk.root(), space, disk.capacityBytes()));
        RadixCache(*ops_, {}, &others).forget(space, *ids);
    }
}

void LocalEngine::admit(Command& command) {
    int rewritten = 0;
    auto ids = fittingPrompt(command.id, command.request, rewritten);
    if (!ids) return failRequest(command.id, ids.error());
    const auto speculation = speculationOf(command.request);
    if (!speculation) return failRequest(command.id, speculation.error());
    const int prompt = static_cast<int>(ids->size());
    Reply& reply = replies_.emplace(command.id, Reply(tokenizer_, command.request.sampling)).first->second;
    reply.submitted = command.at;
    reply.stats.promptTokens = prompt;
    reply.stats.contextLimit = limits_.maxContext;
    reply.stats.rewrittenReplies = rewritten;
    rewrittenPrompts_ += rewritten > 0 ? 1 : 0;

    auto sequence = std::make_unique<Sequence>();
    sequence->id = command.id;
    sequence->space = space_;
    sequence->sampling = std::move(command.request.sampling);
    sequence->priority = command.request.priority;
    sequence->speculation = *speculation;
    sequence->tokens = std::move(*ids);
    sequence->promptTokens = prompt;
    sequence->promptBorder = command.request.promptBorder;
    const int wanted = command.request.maxNewTokens;
    sequence->maxTokens = wanted < 0 ? limits_.maxContext : std::min(limits_.maxContext, prompt + wanted);
    sequence->submitted = command.at;
    if (sequence->maxTokens > prompt) return scheduler_->add(std::move(sequence));
    emit(Started{command.id, prompt, 0});
    finish(command.id, FinishReason::Length);
}

/// The request's prompt; where it does not fit, what its WhenFull asks for.
Result<std::vector<TokenId>> LocalEngine::fittingPrompt(RequestId id, GenerateRequest& request,
                                                        int& rewritten) {
    auto ids = prompts_->build(request, &rewritten);
    if (!ids) return ids;
    const auto limit = static_cast<size_t>(limits_.maxContext);
    // A reply of a tenth of the context has to fit, or as much as is wanted if that is less.
    const size_t wanted = request.maxNewTokens < 0
                              ? limit / 10
                              : std::min(static_cast<size_t>(request.maxNewTokens), limit / 10);
    const size_t before = ids->size();
    const bool cuts = request.whenFull == WhenFull::DropOldestTurns && request.messages.is_array();
    if (cuts && before + wanted > limit) {
        const auto isUser = [&](size_t i) { return request.messages[i].value("role", "") == "user"; };
        size_t first = 0;
        while (first < request.messages.size() && !isUser(first)) ++first;
        size_t dropped = 0;
        while (ids->size() > limit * 6 / 10) {
            size_t turn = 1;  // a user's message and what answered it
            while (first + turn < request.messages.size() && !isUser(first + turn)) ++turn;
            if (first + turn >= request.messages.size()) break;  // the last question stays
            const auto at = static_cast<std::ptrdiff_t>(first),
                       end = static_cast<std::ptrdiff_t>(first + turn);
            request.messages.erase(request.messages.begin() + at, request.messages.begin() + end);
            auto& own = request.generatedIds;
            const auto held = static_cast<std::ptrdiff_t>(own.size());
            own.erase(own.begin() + std::min(at, held), own.begin() + std::min(end, held));
            dropped += turn;
            ids = prompts_->build(request, &rewritten);
            if (!ids) return ids;
        }
        if (dropped > 0)
            emit(ContextCut{id, static_cast<int>(first), static_cast<int>(dropped), static_cast<int>(before),
                            static_cast<int>(ids->size())});
    }
    if (ids->size() >= limit)
        return fail(ErrorCode::ContextFull,
                    "the conversation has {} tokens, but the context holds {}; start a new chat, shorten it, "
                    "or load the model with a larger context",
                    ids->size(), limit);
    return ids;
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
    stats.kvWaste = waste();
    const auto cacheTime = std::chrono::duration<double>(scheduler_->cacheTime()),
               stepTime = std::chrono::duration<double>(stepTime_);
    if (stepTime.count() > 0.0) stats.cacheShare = cacheTime / (stepTime + cacheTime);
    stats.plannedDeviceBytes = plannedBytes_;
    stats.peakDeviceBytes = peakBytes_ > 0 ? peakBytes_ : plannedBytes_;
    stats.loadMillis = loadMillis_;
    stats.weightsMillis = weightsMillis_;
    if (cache_ != nullptr) {
        for (size_t g = 0; g < pools_.size(); ++g)
            if (pools_[g].layout().window == 0) stats.kvBlocksCached += cache_->evictable(g);
        stats.restoredBlocks = cache_->stats().restored;
        stats.evictedBlocks = cache_->stats().evictions;
    }
    if (tiers_ != nullptr && tiers_->host() != nullptr) {
        stats.hostBlocks = tiers_->host()->blocks();
        stats.hostBytes = tiers_->host()->bytes();
    }
    if (tiers_ != nullptr && tiers_->disk() != nullptr) {
        stats.diskBlocks = tiers_->disk()->blocks();
        stats.diskBytes = tiers_->disk()->bytes();
    }
    stats.preemptions = scheduler_->preemptions();
    stats.promptTokens = promptTokens_;
    stats.cachedTokens = cachedTokens_;
    stats.rewrittenPrompts = rewrittenPrompts_;
    stats.stepsAhead = stepsAhead_;
    stats.queueMillis = queue_.mean();
    stats.ttftMillis = firstTokens_.mean();
    stats.itlP50Millis = gaps_.percentile(0.5);
    stats.itlP99Millis = gaps_.percentile(0.99);
    stats.decodeTokensPerSecond = tokensPerSecond_;
    stats.speculation = speculator_->stats();
    const std::lock_guard lock(mutex_);
    stats_ = std::move(stats);
}

/// Of the rows in used blocks of a group that keeps everything, the share that holds no token.
double LocalEngine::waste() const {
    for (const KvBlockPool& pool : pools_) {
        if (pool.layout().window > 0 || pool.usedBlocks() == 0) continue;
        const int64_t rows = scheduler_->privateRows() + (cache_ != nullptr ? cache_->stats().tokens : 0);
        const double all = static_cast<double>(pool.usedBlocks()) * pool.layout().blockTokens;
        return std::max(0.0, 1.0 - static_cast<double>(rows) / all);
    }
    return 0.0;
}

void LocalEngine::checkIntegrity() const {
    for (const KvBlockPool& pool : pools_) pool.checkIntegrity();
    if (cache_ != nullptr) cache_->checkIntegrity();
    speculator_->checkIntegrity();
}

}  // namespace engine
