#include "engine/kv/kv_layout.h"

#include <algorithm>

#include "engine/model/model_config.h"

namespace engine {

size_t KvGroupLayout::bytesPerTokenAndLayer() const {
    return static_cast<size_t>(numKvHeads) *
           (kernels::kvRowBytes(type, keyDim) + kernels::kvRowBytes(type, valueDim));
}

size_t KvGroupLayout::bytesPerBlock() const {
    return bytesPerTokenAndLayer() * static_cast<size_t>(blockTokens) * layers.size();
}

size_t KvLayout::bytesPerToken() const {
    size_t bytes = 0;
    for (const KvGroupLayout& group : groups) bytes += group.bytesPerTokenAndLayer() * group.layers.size();
    return bytes;
}

KvLayout KvLayout::of(const ModelConfig& config, KvType type, int blockTokens) {
    KvLayout layout;
    for (int layer = 0; layer < config.layers; ++layer) {
        const int window = config.attention[static_cast<size_t>(layer)].window;
        auto group =
            std::ranges::find_if(layout.groups, [&](const KvGroupLayout& g) { return g.window == window; });
        if (group == layout.groups.end()) {
            const KvGroupKind kind = window > 0 ? KvGroupKind::Window : KvGroupKind::Full;
            layout.groups.push_back(
                {kind, {}, window, config.numKvHeads, config.keyDim, config.valueDim, type, blockTokens});
            group = layout.groups.end() - 1;
        }
        group->layers.push_back(layer);
    }
    return layout;
}

}  // namespace engine
