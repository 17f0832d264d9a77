#pragma once

#include <chrono>
#include <functional>
#include <span>

#include "engine/model/transformer.h"
#include "engine/schedule/cost_model.h"

namespace engine {

/// Measures what a layer costs a chunk of prompt rows, near a sequence's start and deep in one. Takes a
/// moment: only the first layers run, up to one that attends to everything. Nothing is known afterwards where
/// the pools have no room. Writes to free blocks only.
LayerCosts measureLayerCosts(Transformer& transformer, std::span<KvBlockPool> pools, kernels::Ops& ops,
                             const TransformerLimits& limits,
                             const std::function<std::chrono::nanoseconds()>& clock);

}  // namespace engine
