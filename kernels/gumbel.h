#pragma once

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define ALCOVE_HOST_DEVICE __host__ __device__
#else
#define ALCOVE_HOST_DEVICE
#endif

/// The noise that turns an argmax into a draw: argmax(log p + Gumbel) is distributed as p (the Gumbel-max
/// trick). It is a function of (seed, index in the reply, token) alone, the same on every device, so a draft
/// and its target share it.
namespace kernels {

/// One 32-bit output of Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") for
/// counter (token, 0, drawIndex) and key `seed`.
ALCOVE_HOST_DEVICE inline uint32_t philox(uint64_t seed, uint64_t drawIndex, uint32_t token) {
    uint32_t counter[4] = {token, 0, static_cast<uint32_t>(drawIndex),
                           static_cast<uint32_t>(drawIndex >> 32)};
    uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
    for (int round = 0; round < 10; ++round) {
        const uint64_t a = static_cast<uint64_t>(0xD2511F53U) * counter[0],
                       b = static_cast<uint64_t>(0xCD9E8D57U) * counter[2];
        const uint32_t next[4] = {
            static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
            static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
        for (int i = 0; i < 4; ++i) counter[i] = next[i];
        key[0] += 0x9E3779B9U;
        key[1] += 0xBB67AE85U;
    }
    return counter[0];
}

/// Standard Gumbel noise: -log(-log(u)), u uniform in (0, 1).
ALCOVE_HOST_DEVICE inline double gumbelNoise(uint64_t seed, uint64_t drawIndex, uint32_t token) {
    const double uniform = (static_cast<double>(philox(seed, drawIndex, token)) + 0.5) / 4294967296.0;
    return -std::log(-std::log(uniform));
}

}  // namespace kernels
