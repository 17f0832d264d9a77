#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

/// How a reply is drawn. The defaults are greedy decoding, nothing filtered and nothing penalised.
struct SamplingParams {
    float temperature = 0.0F;  ///< 0: the likeliest token
    int topK = 0;              ///< 0: no limit
    float topP = 1.0F;
    float minP = 0.0F;
    float repeatPenalty = 1.0F;
    float presencePenalty = 0.0F;
    int penaltyWindow = 64;  ///< tokens looked back for both penalties; -1: the whole context
    uint64_t seed = 0;
    std::vector<std::string> stop;  ///< the reply ends before the first of these
    bool ignoreEndOfGeneration = false;
};

}  // namespace engine
