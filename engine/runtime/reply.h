#pragma once

#include <chrono>

#include "engine/runtime/engine.h"
#include "engine/sampling/stop_matcher.h"
#include "engine/tokenizer/stream_decoder.h"

namespace engine {

/// What the engine keeps of a request beside its sequence: how its tokens become text, and its times. Engine
/// thread only.
struct Reply {
    Reply(std::shared_ptr<const Tokenizer> tokenizer, const SamplingParams& sampling)
        : decoder(std::move(tokenizer)), stops(sampling.stop) {}

    StreamDecoder decoder;
    StopMatcher stops;
    std::chrono::nanoseconds submitted{}, firstToken{}, lastToken{};
    RequestStats stats;

    /// Text that may be shown after this token.
    std::string push(TokenId id) { return stops.push(decoder.push(id)); }
    /// What was held back, when the reply ends without a stop string.
    std::string flush() { return stops.push(decoder.flush()) + stops.flush(); }
};

}  // namespace engine
