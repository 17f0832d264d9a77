#pragma once

#include "kernels/cuda_plugin.h"

/// What the program and the plug-in agree on. Both are built from one source tree by one compiler, so C++
/// types may cross; `abiVersion` guards against a plug-in left behind by another version.
namespace kernels {

inline constexpr const char* kCudaPluginFile = "libalcove_cuda.so";
inline constexpr const char* kCudaPluginEntryName = "alcoveCudaPlugin";
inline constexpr int kCudaPluginAbi = 3;

struct CudaPluginTable {
    int abiVersion;
    void (*find)(CudaReport* report);  ///< never throws
    Ops* (*makeOps)();                 ///< caller owns; throws as makeCudaOps
};

using CudaPluginEntry = const CudaPluginTable* (*)();

}  // namespace kernels
