#pragma once

#include "engine/runtime/engine.h"

namespace engine {

/// Bytes a second that a device can read from its memory, measured now: what decoding is bounded by. On the
/// CPU `threads` threads (0: one a core) read a buffer larger than the caches, a GPU one of a GiB; the best
/// of five rounds. Takes a fraction of a second.
Result<double> measureReadBandwidth(DeviceChoice choice, int threads);

}  // namespace engine
