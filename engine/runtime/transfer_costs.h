#pragma once

#include "engine/kv/tier_stack.h"

namespace engine {

/// Measures what bringing blocks back costs: copies one between host memory and the device, and reads one
/// from the disk if there is such a tier. Nothing is known where the pools have no free block. Takes a
/// moment.
TierCosts measureTransfers(kernels::Ops& ops, std::span<KvBlockPool> pools, TierStack& tiers);

}  // namespace engine
