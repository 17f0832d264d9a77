#pragma once

#include <cuda_runtime.h>

#include <cstdlib>
#include <utility>

#include "kernels/cuda/cuda_common.cuh"

/// Launching with programmatic dependent launch where the card has it (compute capability 9.0): a kernel may
/// start while its predecessor drains, and must call waitForPredecessor() before it touches anything that
/// another kernel writes or still reads. Every kernel of a step does, so the chain is ordered end to end.
namespace kernels::detail {

__device__ inline void waitForPredecessor() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/// From here on the next kernel's blocks may take free places.
__device__ inline void letSuccessorStart() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

/// Whether the current device overlaps dependent launches; ALCOVE_CUDA_GENERIC=1 forces the launches that
/// every card has. Asked once.
inline bool overlapsLaunches() {
    static const bool overlaps = [] {
        const char* generic = std::getenv("ALCOVE_CUDA_GENERIC");
        if (generic != nullptr && generic[0] == '1') return false;
        int device = 0, major = 0;
        return cudaGetDevice(&device) == cudaSuccess &&
               cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
               major >= 9;
    }();
    return overlaps;
}

/// `clusterBlocks` blocks along x share a cluster; 0: no clusters.
template <class... Parameters, class... Arguments>
void launchClusters(const char* name, void (*kernel)(Parameters...), int clusterBlocks, dim3 grid,
                    int threads, size_t sharedBytes, cudaStream_t stream, Arguments&&... arguments) {
    cudaLaunchAttribute attributes[2] = {};
    unsigned count = 0;
    if (overlapsLaunches()) {
        attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attributes[count++].val.programmaticStreamSerializationAllowed = 1;
    }
    if (clusterBlocks > 0) {
        attributes[count].id = cudaLaunchAttributeClusterDimension;
        attributes[count].val.clusterDim.x = static_cast<unsigned>(clusterBlocks);
        attributes[count].val.clusterDim.y = attributes[count].val.clusterDim.z = 1;
        ++count;
    }
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = dim3(static_cast<unsigned>(threads));
    config.dynamicSmemBytes = sharedBytes;
    config.stream = stream;
    config.attrs = attributes;
    config.numAttrs = count;
    checkCuda(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name);
}

template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, int threads, size_t sharedBytes,
            cudaStream_t stream, Arguments&&... arguments) {
    launchClusters(name, kernel, 0, grid, threads, sharedBytes, stream,
                   std::forward<Arguments>(arguments)...);
}

}  // namespace kernels::detail
