#pragma once

#include <cooperative_groups.h>

/// Thread block clusters (compute capability 9.0); launched only where the card has them.
namespace kernels::detail {

/// The cluster's barrier in two halves, so that work goes between: after it every block runs, and what they
/// wrote to one another is seen. Whoever has nothing to see need not wait. Whole warps call it.
__device__ __forceinline__ void clusterArrive() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void clusterWait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

/// The same place in shared memory of the cluster's block `rank`.
template <class V>
__device__ __forceinline__ V* inBlockOfCluster(V* place, int rank) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    return cooperative_groups::this_cluster().map_shared_rank(place, rank);
#else
    return place;
#endif
}

}  // namespace kernels::detail
