#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/dtype.h"
#include "tests/engine/support/gguf_builder.h"

namespace engine::testing {

/// The shape of a small random model. The same shape gives the same file, byte for byte, on every machine:
/// all randomness comes from integers, and quantised matrices are random blocks with scales that keep values
/// of a useful size, so that every bit of a block's layout matters.
struct TinyModel {
    std::string architecture = "llama";
    kernels::DType dtype = kernels::DType::F32;  ///< of every matrix
    int layers = 2;
    int embedding = 256;
    int feedForward = 256;
    int heads = 4;
    int kvHeads = 2;
    int headDim = 64;
    int vocabulary = 96;
    bool tied = true;
    int window = 0;              ///< Gemma 3's attention.sliding_window
    std::string scaling;         ///< rope.scaling.type; empty: no key
    float scalingFactor = 0.0F;  ///< 0: no key
    int originalContext = 0;     ///< 0: no key
    float ropeBase = 10000.0F;
    bool frequencyFactors = false;  ///< the tensor rope_freqs.weight
    uint64_t seed = 1;
};

/// A whole GGUF file: what `begun` already holds (a tokenizer, say), then the model.
std::vector<std::byte> tinyModelFile(const TinyModel& shape, GgufBuilder begun = {});

/// `count` ids below `vocabulary`, the same on every machine.
std::vector<int32_t> tinyIds(int count, int vocabulary, uint64_t seed);

}  // namespace engine::testing
