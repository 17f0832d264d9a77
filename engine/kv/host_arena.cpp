#include <new>

#include "engine/kv/host_bytes.h"

namespace engine {
namespace {

constexpr size_t kPieceBytes = 16U << 20;

}  // namespace

HostArena::Size& HostArena::State::ofSize(size_t bytes) {
    const auto known = std::ranges::find(sizes, bytes, &Size::bytes);
    return known != sizes.end() ? *known : sizes.emplace_back(Size{bytes, {}});
}

HostBytes HostArena::take(size_t bytes) {
    if (bytes == 0) return HostBytes();
    Size& size = state_->ofSize(bytes);
    if (size.free.empty()) {
        const size_t slot = (bytes + 255) / 256 * 256, count = std::max<size_t>(1, kPieceBytes / slot);
        try {
            const kernels::HostBuffer& piece =
                state_->pieces.emplace_back(state_->ops.allocateHost(slot * count));
            for (size_t i = count; i-- > 0;) size.free.push_back(piece.data() + i * slot);
        } catch (const std::bad_alloc&) {
            return HostBytes(bytes);
        }
    }
    std::byte* slot = size.free.back();
    size.free.pop_back();
    return {
        std::shared_ptr<std::byte>(
            slot, [state = state_, bytes](std::byte* back) { state->ofSize(bytes).free.push_back(back); }),
        bytes};
}

}  // namespace engine
