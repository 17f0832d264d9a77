#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu/cpu_activations.h"
#include "kernels/cpu/cpu_ops.h"

namespace kernels::testing {

inline constexpr DType kAllTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q4_0,   DType::Q4_1,
                                      DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q2_K,   DType::Q3_K,
                                      DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS};

/// Every instruction set that this machine can run, Portable first.
std::vector<Isa> runnableIsas();
const char* toString(Isa isa);

std::unique_ptr<Ops> cpuOps(Compute compute, Isa isa, int threads = 1);

/// Rows [rows.size() / width, width] as activations of `ops`, quantised when its products take int8.
std::unique_ptr<Activations> activationsOf(Ops& ops, std::span<const float> rows, int width);
const detail::CpuActivations& cpuActivations(const Activations& activations);

/// A quiet NaN that no computation here produces from finite inputs: unwritten results show.
float poison();

}  // namespace kernels::testing
