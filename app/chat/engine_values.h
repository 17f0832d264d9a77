#pragma once

#include "app/chat/chat_engine.h"
#include "engine/runtime/engine.h"

/// The application's values as the engine's and back. Not for `ui`, which never sees the engine.
namespace app {

/// @param cacheFolder  where the prefix cache on disk goes, if the options want one; empty: nowhere
engine::EngineOptions toEngine(const ModelOptions& options, const QString& cacheFolder);
/// A seed is drawn where the settings leave it open.
engine::GenerateRequest toEngine(const ReplyRequest& request);
ReplyStats toReplyStats(engine::FinishReason reason, const engine::RequestStats& stats,
                        const ModelStatus& model);
EngineSnapshot toSnapshot(const engine::EngineStats& stats);

}  // namespace app
