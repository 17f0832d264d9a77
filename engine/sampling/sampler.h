#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sampling/sampling_params.h"
#include "engine/tokenizer/tokenizer.h"
#include "kernels/ops.h"

namespace engine {

/// One sequence's draw for the token after `tokens`, the `drawIndex`-th of its reply. `penalised` receives
/// the distinct ids of the penalty window and must live as long as the result.
kernels::SamplingRow samplingRow(const SamplingParams& params, std::span<const TokenId> tokens,
                                 uint64_t drawIndex, std::vector<int32_t>& penalised);

/// The same after `chained` further ids that only the device knows: `chain` is device memory that holds them.
/// They belong to the penalty window, as its last tokens.
kernels::SamplingRow chainedSamplingRow(const SamplingParams& params, std::span<const TokenId> tokens,
                                        int32_t* chain, int chained, uint64_t drawIndex,
                                        std::vector<int32_t>& penalised);

}  // namespace engine
