#include "engine/runtime/engine.h"

#include "engine/kv/disk_tier.h"
#include "engine/runtime/local_engine.h"

namespace engine {

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

void eraseDiskCache(const std::filesystem::path& folder) {
    DiskTier::eraseAll(folder);
}

}  // namespace engine
