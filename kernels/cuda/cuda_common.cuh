#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>

/// Small things every CUDA file needs.
namespace kernels::detail {

/// Throws std::runtime_error naming the call when a CUDA call failed: a lost device, a bug, an old driver.
inline void checkCuda(cudaError_t status, const char* what) {
    if (status != cudaSuccess)
        throw std::runtime_error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}

/// Checks the launch just made; asynchronous faults surface at the next wait.
inline void checkLaunch(const char* kernel) {
    checkCuda(cudaGetLastError(), kernel);
}

/// Of the current device.
inline int deviceAttribute(cudaDeviceAttr attribute) {
    int device = 0, value = 0;
    checkCuda(cudaGetDevice(&device), "device");
    checkCuda(cudaDeviceGetAttribute(&value, attribute, device), "an attribute of the device");
    return value;
}

/// Asked once.
inline int multiprocessors() {
    static const int count = deviceAttribute(cudaDevAttrMultiProcessorCount);
    return count;
}

template <class T>
__host__ __device__ constexpr T ceilDiv(T a, T b) {
    return (a + b - 1) / b;
}

__device__ inline float warpSum(float x) {
    for (int mask = 16; mask > 0; mask >>= 1) x += __shfl_xor_sync(0xffffffffU, x, mask);
    return x;
}

__device__ inline float warpMax(float x) {
    for (int mask = 16; mask > 0; mask >>= 1) x = fmaxf(x, __shfl_xor_sync(0xffffffffU, x, mask));
    return x;
}

/// Sum over the block in one fixed order; `shared` holds a float for each warp. Every thread gets the sum.
template <int kThreads>
__device__ inline float blockSum(float x, float* shared) {
    constexpr int kWarps = kThreads / 32;
    x = warpSum(x);
    __syncthreads();  // the last use of `shared` is over
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0.0F;
    for (int warp = 0; warp < kWarps; ++warp) sum += shared[warp];
    return sum;
}

}  // namespace kernels::detail
