#pragma once

#include <span>
#include <vector>

#include "engine/model/model_config.h"

namespace engine {

/// Inverse frequencies [ropeDimensions / 2] and the factor on sin and cos for one base.
struct RopeTable {
    std::vector<float> inverseFrequency;
    float magnitude = 1.0F;
};

/// `scaled` false leaves the model's RoPE scaling out. `factors` [ropeDimensions / 2] divide the frequencies
/// (the tensor rope_freqs.weight of Llama 3); empty: none. YaRN as in "YaRN: Efficient Context Window
/// Extension of Large Language Models" (Peng et al. 2023): high frequencies stay, low ones are interpolated,
/// with a ramp between.
RopeTable makeRopeTable(const ModelConfig& config, float base, bool scaled, std::span<const float> factors);

}  // namespace engine
