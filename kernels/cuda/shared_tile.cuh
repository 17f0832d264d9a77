#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// Tiles of 16-bit values in shared memory: how they lie there, how they come there while the block goes on,
/// and how warps read them as operands of tensor cores.
namespace kernels::detail {

/// Where eight values `chunk` of a row lie in a tile [rows, kDim]: the chunks of a row are permuted so that
/// the same chunk of eight rows one below the other covers all banks.
template <int kDim>
__device__ inline int swizzled(int row, int chunk) {
    return (row * (kDim / 8) + (chunk ^ (row & 7))) * 8;
}

/// Where a lane reads the fragments of a tile [rows, kDim], as an address of shared memory: of row `row` the
/// chunk `chunk`, 0 or 1. Later rows, a multiple of eight further, are a multiple of 16 kDim bytes further,
/// and later chunks, an even number of them, are reached by xor, as `row` alone permutes them. Tiles begin at
/// multiples of a row's bytes.
template <int kDim>
class FragmentAddress {
  public:
    __device__ FragmentAddress(const void* tile, int row, int chunk)
        : address_(static_cast<uint32_t>(__cvta_generic_to_shared(tile)) +
                   static_cast<uint32_t>(swizzled<kDim>(row, chunk)) * 2) {}
    __device__ uint32_t at(int rows, int chunks) const {
        return (address_ ^ static_cast<uint32_t>(chunks * 16)) + static_cast<uint32_t>(rows * kDim * 2);
    }

  private:
    uint32_t address_;
};

/// Four 8x8 matrices of halves; lane l gives the address of row l % 8 of matrix l / 8.
__device__ inline void loadMatrices(uint32_t (&to)[4], uint32_t row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(row));
}

__device__ inline void loadMatricesTransposed(uint32_t (&to)[4], uint32_t row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(row));
}

/// 16 bytes to shared memory, zeros where they are not there; done after waitForCopies() and a barrier.
__device__ inline void copySixteen(void* to, const void* from, bool there) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
    *reinterpret_cast<uint4*>(to) = there ? *reinterpret_cast<const uint4*>(from) : uint4{};
#else
    const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(address), "l"(from), "r"(there ? 16 : 0)
                 : "memory");
#endif
}

/// Ends a group of copies.
__device__ inline void commitCopies() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits for all groups of this thread's copies but the last kLeft.
template <int kLeft>
__device__ inline void waitForCopies() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
}

}  // namespace kernels::detail
