#pragma once

#include <cstdint>

#include "engine/gguf/gguf_file.h"

namespace engine {

/// Tells models apart by what they hold, not by where they lie: a hash of every tensor's name, type, size and
/// of its first, middle and last 4 KiB. Reads a few megabytes whatever the model's size.
uint64_t modelFingerprint(const GgufFile& file);

}  // namespace engine
