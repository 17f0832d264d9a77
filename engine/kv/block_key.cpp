#include "engine/kv/block_key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace engine {
namespace {

BlockKey of(const XXH128_hash_t& hash) {
    return {hash.high64, hash.low64};
}

}  // namespace

BlockKey BlockKey::ofNamespace(uint64_t space) {
    return of(XXH3_128bits(&space, sizeof space));
}

BlockKey BlockKey::ofText(std::string_view text) {
    return of(XXH3_128bits(text.data(), text.size()));
}

BlockKey BlockKey::child(std::span<const TokenId> tokens) const {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, this, sizeof *this);
    XXH3_128bits_update(&state, tokens.data(), tokens.size_bytes());
    return of(XXH3_128bits_digest(&state));
}

}  // namespace engine
