#include "engine/speculate/verification.h"

#include <algorithm>

#include "engine/sampling/sampler.h"

namespace engine {

void appendSamplingRows(const Sequence& sequence, int drafted, std::vector<kernels::SamplingRow>& rows,
                        std::vector<std::vector<int32_t>>& penalised) {
    const auto drawIndex = static_cast<uint64_t>(sequence.newTokens());
    if (sequence.draftOnDevice != nullptr) {
        for (int row = 0; row <= drafted; ++row)
            rows.push_back(chainedSamplingRow(sequence.sampling, sequence.tokens, sequence.draftOnDevice, row,
                                              drawIndex + static_cast<uint64_t>(row),
                                              penalised[rows.size()]));
        return;
    }
    std::vector<TokenId> guessed;
    if (drafted > 0) {
        guessed = sequence.tokens;
        guessed.insert(guessed.end(), sequence.draft.begin(), sequence.draft.begin() + drafted);
    }
    const std::span<const TokenId> all = drafted > 0 ? std::span<const TokenId>(guessed) : sequence.tokens;
    for (int row = 0; row <= drafted; ++row)
        rows.push_back(samplingRow(sequence.sampling,
                                   all.first(sequence.tokens.size() + static_cast<size_t>(row)),
                                   drawIndex + static_cast<uint64_t>(row), penalised[rows.size()]));
}

void appendSamplingRowAhead(const Sequence& sequence, int32_t* token, std::vector<kernels::SamplingRow>& rows,
                            std::vector<std::vector<int32_t>>& penalised) {
    rows.push_back(chainedSamplingRow(sequence.sampling, sequence.tokens, token, 1,
                                      static_cast<uint64_t>(sequence.newTokens()) + 1,
                                      penalised[rows.size()]));
}

int acceptedLength(std::span<const TokenId> draft, std::span<const TokenId> drawn) {
    const size_t most = std::min(draft.size(), drawn.size());
    return static_cast<int>(
        std::mismatch(draft.begin(), draft.begin() + static_cast<std::ptrdiff_t>(most), drawn.begin()).first -
        draft.begin());
}

}  // namespace engine
