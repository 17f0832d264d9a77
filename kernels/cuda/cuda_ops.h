#pragma once

#include "kernels/ops.h"

namespace kernels {

/// The operations on device 0, in one stream. The caller owns the result. Throws OutOfDeviceMemory, or
/// std::runtime_error naming the CUDA call that failed.
Ops* newCudaOps();

}  // namespace kernels
