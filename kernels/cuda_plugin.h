#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "kernels/ops.h"

namespace kernels {

/// What a look for a usable NVIDIA GPU found. `usable` false: `reason` says why in one line, and what to do.
struct CudaReport {
    bool usable = false;
    std::string reason;
    std::string deviceName;
    int computeMajor = 0, computeMinor = 0;
    int driverVersion = 0;  ///< as CUDA counts, 13000 is 13.0
    int runtimeVersion = 0;
    size_t totalBytes = 0;
    size_t freeBytes = 0;
};

/// The CUDA implementation of Ops lives in the plug-in library `libalcove_cuda.so`, opened at run time, so
/// that one build starts on machines with no NVIDIA driver and no CUDA libraries. It is looked for beside the
/// program, then in `../lib/alcove` of it. Opened once per process and never closed. Any thread.
CudaReport findCudaDevice();

/// The operations on the first usable device. Throws std::runtime_error with the report's reason when there
/// is none, OutOfDeviceMemory when the device has no room for the workspace.
std::unique_ptr<Ops> makeCudaOps();

}  // namespace kernels
