#pragma once

#include <memory>

#include "kernels/ops.h"

namespace kernels {

/// How matrix products are computed. Int8: activations quantised to int8 in groups of 32, integer dot
/// products against the quantised weights. Float: weights dequantised exactly, float activations; the oracle.
enum class Compute : uint8_t { Int8, Float };

/// Instruction sets of the x86 paths, best first found at run time; Portable runs anywhere (ARM too).
enum class Isa : uint8_t { Portable, Avx2, AvxVnni, Avx512Vnni };

struct CpuOptions {
    int threads = 0;  ///< 0: physical cores available to the process
    Compute compute = Compute::Int8;
    bool forceIsa = false;  ///< tests: use `isa` even if a better one is there
    Isa isa = Isa::Portable;
};

/// The best instruction set this processor can run.
Isa detectIsa();

/// The operations on this machine's processor. Owns its thread pool; threads sleep between operations.
std::unique_ptr<Ops> makeCpuOps(const CpuOptions& options);

}  // namespace kernels
