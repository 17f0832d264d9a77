#pragma once

#include <cstddef>
#include <span>

namespace engine::testing {

/// Reads some bytes as a GGUF file, and of whatever is accepted every value under every type and every byte
/// of every tensor; then the vocabulary, and a short text with it. Throws std::logic_error when an accepted
/// file breaks a promise of gguf_file.h, or a refused one gives no message. For fuzzing and property tests.
void exerciseGguf(std::span<const std::byte> bytes);

}  // namespace engine::testing
