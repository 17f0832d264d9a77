#pragma once

#include <cstdint>

/// What the two kinds of decode attention share.
namespace kernels::detail {

/// `splits`: pieces a row's workspace has room for.
struct SplitShape {
    int numHeads, groupHeads, headsPerBlock, splits, window;
    float scale, softcap;
};

__device__ inline int sequenceOf(const int32_t* rowStart, int sequences, int row) {
    int sequence = 0;
    while (sequence + 1 < sequences && rowStart[sequence + 1] <= row) ++sequence;
    return sequence;
}

}  // namespace kernels::detail
