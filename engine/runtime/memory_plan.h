#pragma once

#include <cstddef>
#include <string>

#include "engine/kv/kv_layout.h"
#include "engine/model/transformer.h"

namespace engine {

class GgufFile;

/// What a model needs on a device and what was decided for it, before anything is loaded. Bytes.
struct MemoryPlan {
    size_t weights = 0;
    size_t workspace = 0;    ///< of steps, and what the driver takes to run them
    size_t kv = 0;           ///< the KV pools
    size_t free = 0;         ///< of the device, before loading
    size_t deviceTotal = 0;  ///< what is not free of it is other programs' and the driver's
    int contextTokens = 0;   ///< of one sequence
    bool fits = true;
    bool onCard = false;

    size_t total() const { return weights + workspace + kv; }
    /// One line for people: what is needed, what is there, and what to do if it does not fit.
    std::string explain() const;
};

/// How much of what is asked for. `contextTokens` 0: what the model was made for, as far as the free memory
/// goes, at least 512. `kvBytes` 0: room for as many sequences of that length as half the free memory holds,
/// four at most.
struct MemoryWishes {
    int contextTokens = 0;
    size_t kvBytes = 0;
};

/// The plan for `ops`' device as it is now.
MemoryPlan planMemory(const GgufFile& file, const ModelConfig& config, const KvLayout& layout,
                      const TransformerLimits& limits, const MemoryWishes& wishes, const kernels::Ops& ops);

}  // namespace engine
