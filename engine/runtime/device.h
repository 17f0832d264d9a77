#pragma once

#include <memory>

#include "engine/runtime/engine.h"
#include "kernels/ops.h"

namespace engine {

/// The operations that a choice of device means on this machine. `Best` is a usable GPU, else the CPU; `Cuda`
/// with no usable GPU fails with the reason.
Result<std::unique_ptr<kernels::Ops>> openDevice(DeviceChoice choice, int threads, ComputeChoice compute);

}  // namespace engine
