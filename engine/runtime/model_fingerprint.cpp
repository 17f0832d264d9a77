#include "engine/runtime/model_fingerprint.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace engine {

uint64_t modelFingerprint(const GgufFile& file) {
    constexpr size_t kSample = 4096;
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    for (const GgufTensor& tensor : file.tensors()) {
        XXH3_64bits_update(&state, tensor.name.data(), tensor.name.size());
        const uint64_t facts[] = {static_cast<uint64_t>(tensor.dtype), tensor.bytes};
        XXH3_64bits_update(&state, facts, sizeof facts);
        const size_t sample = std::min<size_t>(kSample, tensor.bytes);
        for (const size_t at : {size_t{0}, (tensor.bytes - sample) / 2, tensor.bytes - sample})
            XXH3_64bits_update(&state, tensor.data + at, sample);
    }
    return XXH3_64bits_digest(&state);
}

}  // namespace engine
