#pragma once

#include <cstdint>

/// A barrier in shared memory between warps that fill and warps that empty places of a ring (PTX: mbarrier,
/// from compute capability 8.0). It goes through phases; a phase ends when as many have arrived as it was
/// made for.
namespace kernels::detail {

class RingBarrier {
  public:
    /// By one thread, before a barrier of the block.
    __device__ void init(int arrivals) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
        asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(address()), "r"(arrivals) : "memory");
#endif
    }
    /// What this thread wrote before is seen by those who waited.
    __device__ __forceinline__ void arrive() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
        asm volatile("{ .reg .b64 phase; mbarrier.arrive.shared.b64 phase, [%0]; }" ::"r"(address())
                     : "memory");
#endif
    }
    /// Until the phase of this parity is over: 0 for the first, third, … phase; for 1 the phase before the
    /// first counts as over.
    __device__ __forceinline__ void wait(uint32_t parity) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
        uint32_t over = 0;
        while (over == 0)
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
            asm volatile(
                "{ .reg .pred over; mbarrier.try_wait.parity.shared.b64 over, [%1], %2; selp.u32 %0, 1, 0, "
                "over; }"
                : "=r"(over)
                : "r"(address()), "r"(parity)
                : "memory");
#else
            asm volatile(
                "{ .reg .pred over; mbarrier.test_wait.parity.shared.b64 over, [%1], %2; selp.u32 %0, 1, 0, "
                "over; }"
                : "=r"(over)
                : "r"(address()), "r"(parity)
                : "memory");
#endif
#endif
    }

  private:
    __device__ __forceinline__ uint32_t address() const {
        return static_cast<uint32_t>(__cvta_generic_to_shared(&state_));
    }
    uint64_t state_;
};

}  // namespace kernels::detail
