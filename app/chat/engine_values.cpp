#include "app/chat/engine_values.h"

#include <QRandomGenerator>
#include <algorithm>

namespace app {
namespace {

const char* roleName(Role role) {
    switch (role) {
        case Role::System:
            return "system";
        case Role::User:
            return "user";
        case Role::Assistant:
            break;
    }
    return "assistant";
}

EndReason toEndReason(engine::FinishReason reason) {
    switch (reason) {
        case engine::FinishReason::Stop:
            return EndReason::Stop;
        case engine::FinishReason::Length:
            return EndReason::Length;
        case engine::FinishReason::Cancelled:
            return EndReason::Cancelled;
        case engine::FinishReason::Failed:
            break;
    }
    return EndReason::Failed;
}

engine::SamplingParams toEngine(const SamplingSettings& sampling) {
    engine::SamplingParams params;
    params.temperature = static_cast<float>(sampling.temperature);
    params.topK = sampling.topK;
    params.topP = static_cast<float>(sampling.topP);
    params.minP = static_cast<float>(sampling.minP);
    params.repeatPenalty = static_cast<float>(sampling.repeatPenalty);
    params.presencePenalty = static_cast<float>(sampling.presencePenalty);
    params.penaltyWindow = sampling.penaltyWindow;
    params.seed = sampling.seed ? *sampling.seed : QRandomGenerator::global()->generate64();
    for (const QString& stop : sampling.stop) params.stop.push_back(stop.toStdString());
    return params;
}

}  // namespace

engine::EngineOptions toEngine(const ModelOptions& options, const QString& cacheFolder) {
    engine::EngineOptions result;
    result.model = options.path.toStdString();
    if (options.device == QLatin1String("cpu")) result.device = engine::DeviceChoice::Cpu;
    if (options.device == QLatin1String("cuda")) result.device = engine::DeviceChoice::Cuda;
    result.threads = options.threads;
    result.contextTokens = options.contextTokens;
    if (options.kvType == QLatin1String("q8_0")) result.kvType = engine::KvType::Q8_0;
    if (options.kvType == QLatin1String("q4_0")) result.kvType = engine::KvType::Q4_0;
    result.draftModel = options.draftPath.toStdString();
    result.hostCacheBytes = static_cast<size_t>(std::max<qint64>(0, options.hostCacheBytes));
    result.diskCacheBytes = static_cast<size_t>(std::max<qint64>(0, options.diskCacheBytes));
    if (options.diskCache && options.diskCacheBytes > 0) result.diskCache = cacheFolder.toStdString();
    return result;
}

engine::GenerateRequest toEngine(const ReplyRequest& request) {
    engine::GenerateRequest result;
    result.messages = nlohmann::ordered_json::array();
    for (const PromptMessage& message : request.messages) {
        result.messages.push_back(
            {{"role", roleName(message.role)}, {"content", message.text.toStdString()}});
        result.generatedIds.emplace_back(message.generated.ids.begin(), message.generated.ids.end());
    }
    result.sampling = toEngine(request.sampling);
    result.maxNewTokens = request.sampling.maxNewTokens;
    result.priority = request.priority;
    result.whenFull = request.whenFull == WhenFull::LeaveOutOldest ? engine::WhenFull::DropOldestTurns
                                                                   : engine::WhenFull::Stop;
    return result;
}

ReplyStats toReplyStats(engine::FinishReason reason, const engine::RequestStats& stats,
                        const ModelStatus& model) {
    ReplyStats result;
    result.promptTokens = stats.promptTokens;
    result.cachedTokens = stats.cachedTokens;
    result.newTokens = stats.newTokens;
    result.draftedTokens = stats.draftedTokens;
    result.acceptedTokens = stats.acceptedTokens;
    result.speculationGain = stats.speculationGain;
    result.contextTokens = stats.contextTokens;
    result.contextLimit = stats.contextLimit;
    result.queueMillis = stats.queueMillis;
    result.ttftMillis = stats.ttftMillis;
    result.prefillTokensPerSecond = stats.prefillTokensPerSecond;
    result.decodeTokensPerSecond = stats.decodeTokensPerSecond;
    result.reason = toEndReason(reason);
    result.model = model.name;
    result.device = model.device;
    return result;
}

EngineSnapshot toSnapshot(const engine::EngineStats& stats) {
    EngineSnapshot snapshot;
    snapshot.device = QString::fromStdString(stats.device);
    snapshot.running = stats.running;
    snapshot.waiting = stats.waiting;
    snapshot.kvBlocksUsed = stats.kvBlocksUsed;
    snapshot.kvBlocksCached = stats.kvBlocksCached;
    snapshot.kvBlocksTotal = stats.kvBlocksTotal;
    snapshot.hostBlocks = stats.hostBlocks;
    snapshot.diskBlocks = stats.diskBlocks;
    snapshot.hostBytes = static_cast<qint64>(stats.hostBytes);
    snapshot.diskBytes = static_cast<qint64>(stats.diskBytes);
    snapshot.promptTokens = stats.promptTokens;
    snapshot.cachedTokens = stats.cachedTokens;
    snapshot.restoredBlocks = stats.restoredBlocks;
    snapshot.evictedBlocks = stats.evictedBlocks;
    snapshot.preemptions = stats.preemptions;
    snapshot.queueMillis = stats.queueMillis;
    snapshot.ttftMillis = stats.ttftMillis;
    snapshot.itlP50Millis = stats.itlP50Millis;
    snapshot.itlP99Millis = stats.itlP99Millis;
    snapshot.kvBytesUsed = static_cast<qint64>(stats.kvBytesUsed);
    snapshot.kvBytesTotal = static_cast<qint64>(stats.kvBytesTotal);
    snapshot.kvWaste = stats.kvWaste;
    snapshot.weightBytes = static_cast<qint64>(stats.weightBytes);
    snapshot.peakDeviceBytes = static_cast<qint64>(stats.peakDeviceBytes);
    snapshot.decodeTokensPerSecond = stats.decodeTokensPerSecond;
    snapshot.draftedTokens = stats.speculation.draftedTokens;
    snapshot.acceptedTokens = stats.speculation.acceptedTokens;
    snapshot.speculationGain = stats.speculation.gain;
    return snapshot;
}

}  // namespace app
