#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "engine/kv/block_table.h"
#include "engine/kv/radix_cache.h"
#include "engine/sampling/sampling_params.h"
#include "engine/speculate/speculation.h"
#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// A request once its prompt is encoded. Tokens [0, computed) have their KV stored; the rest is to be
/// computed. computed < tokens.size() at all times while it is scheduled.
struct Sequence {
    uint64_t id = 0;
    uint64_t space = 0;  ///< namespace of its KV in the prefix cache
    SamplingParams sampling;
    int priority = 0;
    std::vector<TokenId> tokens;  ///< prompt, then what was generated
    SpeculationMode speculation = SpeculationMode::Off;
    std::vector<TokenId> draft;  ///< guesses after `tokens`, for the next step to verify
    /// Not null: the guesses stand there in the device's memory, and `draft` only has their number.
    int32_t* draftOnDevice = nullptr;
    int promptTokens = 0;
    int maxTokens = 0;     ///< of prompt and reply together
    int promptBorder = 0;  ///< a step ends when so many tokens are computed; 0: none
    int computed = 0;
    std::vector<BlockTable> tables;  ///< one for each KV group; empty while waiting
    PrefixLock lock;                 ///< on what the prefix cache has of it
    uint64_t uploads = 0;            ///< that bring what the prefix cache found; 0: it is there
    int cachedTokens = 0;            ///< of the prompt, found when it was first admitted
    int prefilledTokens = 0;         ///< rows computed before the first new token
    int mostBlocks = 0;              ///< held at once, all groups together
    int preemptions = 0;
    bool isStarted = false;  ///< has had rows in a step
    std::chrono::nanoseconds submitted{}, started{};

    int newTokens() const { return static_cast<int>(tokens.size()) - promptTokens; }
    int remaining() const { return static_cast<int>(tokens.size()) - computed; }
    /// Whether the next row is a generated token's.
    bool isDecoding() const { return computed >= promptTokens; }
};

}  // namespace engine
