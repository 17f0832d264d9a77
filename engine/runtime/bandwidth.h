#pragma once

#include "engine/runtime/engine.h"

namespace engine {

/// Bytes a second that a device can read from its memory, measured now: what decoding is bounded by. On the
/// CPU `threads` threads (0: one a core) read a buffer larger than the caches; on a GPU a large copy counts
/// what it reads and writes. Takes a fraction of a second and some hundred MiB.
Result<double> measureReadBandwidth(DeviceChoice choice, int threads);

}  // namespace engine
