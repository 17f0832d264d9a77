#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/dtype.h"

namespace kernels::testing {

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }
    /// Mean 0, deviation 1, bell-shaped: the sum of twelve 16-bit uniforms, exact in a float.
    float bell() {
        int64_t sum = 0;
        for (int i = 0; i < 3; ++i) {
            const uint64_t bits = next();
            for (int part = 0; part < 4; ++part) sum += static_cast<int64_t>((bits >> (16 * part)) & 0xFFFF);
        }
        return static_cast<float>(sum - 12 * 32768) / 65536.0F;
    }

  private:
    uint64_t state_;
};

/// `count` floats of mean 0 and the given deviation.
std::vector<float> randomFloats(size_t count, float deviation, Random& random);

/// `count` stored elements (a multiple of the type's block) of mean near 0 and about the given deviation. All
/// randomness comes from integers, so a seed gives the same bytes on every machine; quantised blocks are
/// random but for scales that keep values of a useful size, so that every bit of a block's layout matters.
std::vector<std::byte> randomElements(DType type, size_t count, float deviation, Random& random);

}  // namespace kernels::testing
