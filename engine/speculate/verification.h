#pragma once

#include <span>
#include <vector>

#include "engine/schedule/sequence.h"
#include "kernels/ops.h"

namespace engine {

/// Appends the draws of one decode part: of the row of the last token and of each of the `drafted` guesses
/// after it. Penalties of row i see the guesses before it, so its draw is the one a plain step would make
/// there. `penalised` has a list for every row of the step already.
void appendSamplingRows(const Sequence& sequence, int drafted, std::vector<kernels::SamplingRow>& rows,
                        std::vector<std::vector<int32_t>>& penalised);

/// Appends the draw of a row whose token, the one after the sequence's last, is only in the device's memory.
void appendSamplingRowAhead(const Sequence& sequence, int32_t* token, std::vector<kernels::SamplingRow>& rows,
                            std::vector<std::vector<int32_t>>& penalised);

/// How many of the guesses stand: those before the first that the target did not draw itself.
/// drawn [drafted + 1].
int acceptedLength(std::span<const TokenId> draft, std::span<const TokenId> drawn);

}  // namespace engine
