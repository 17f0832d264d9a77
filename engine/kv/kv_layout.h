#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/ops.h"

namespace engine {

struct ModelConfig;

using KvType = kernels::KvType;

/// Layers that keep the same tokens in the same form share block tables: full layers keep everything, window
/// layers only what their window reaches, latent layers (MLA) one compressed row in place of K and V.
enum class KvGroupKind : uint8_t { Full, Window, Latent };

struct KvGroupLayout {
    KvGroupKind kind = KvGroupKind::Full;
    std::vector<int> layers;  ///< model layer numbers, ascending
    int window = 0;           ///< tokens a Window group must keep; 0 otherwise
    int numKvHeads = 0;
    int keyDim = 0;
    int valueDim = 0;
    KvType type = KvType::F16;
    int blockTokens = 16;

    size_t bytesPerTokenAndLayer() const;
    size_t bytesPerBlock() const;  ///< all layers of the group
};

/// How a model's keys and values are kept. Groups cover every layer exactly once.
struct KvLayout {
    std::vector<KvGroupLayout> groups;

    size_t bytesPerToken() const;  ///< of a token that every group still holds
    static KvLayout of(const ModelConfig& config, KvType type, int blockTokens = 16);
};

}  // namespace engine
