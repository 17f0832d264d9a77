#include "engine/sampling/sampler.h"

#include <algorithm>

namespace engine {

kernels::SamplingRow samplingRow(const SamplingParams& params, std::span<const TokenId> tokens,
                                 uint64_t drawIndex, std::vector<int32_t>& penalised) {
    return chainedSamplingRow(params, tokens, nullptr, 0, drawIndex, penalised);
}

kernels::SamplingRow chainedSamplingRow(const SamplingParams& params, std::span<const TokenId> tokens,
                                        int32_t* chain, int chained, uint64_t drawIndex,
                                        std::vector<int32_t>& penalised) {
    penalised.clear();
    int counted = 0;  // of the chain
    if (params.repeatPenalty != 1.0F || params.presencePenalty != 0.0F) {
        counted = params.penaltyWindow < 0 ? chained : std::min(chained, params.penaltyWindow);
        const size_t window =
            params.penaltyWindow < 0
                ? tokens.size()
                : std::min(tokens.size(), static_cast<size_t>(params.penaltyWindow - counted));
        penalised.assign(tokens.end() - static_cast<std::ptrdiff_t>(window), tokens.end());
        std::ranges::sort(penalised);
        penalised.erase(std::unique(penalised.begin(), penalised.end()), penalised.end());
    }
    kernels::SamplingRow row;
    row.temperature = params.temperature;
    row.topK = params.topK;
    row.topP = params.topP;
    row.minP = params.minP;
    row.repeatPenalty = params.repeatPenalty;
    row.presencePenalty = params.presencePenalty;
    row.penalised = penalised;
    row.seed = params.seed;
    row.drawIndex = drawIndex;
    if (chain != nullptr) {
        row.chain = chain + (chained - counted);
        row.chained = counted;
    }
    return row;
}

}  // namespace engine
