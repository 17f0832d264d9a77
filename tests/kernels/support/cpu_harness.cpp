#include "tests/kernels/support/cpu_harness.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace kernels::testing {

std::vector<Isa> runnableIsas() {
    std::vector<Isa> isas{Isa::Portable};
    const Isa best = detectIsa();
    for (const Isa isa : {Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni}) {
        // An AVX-512 machine need not have the VEX-coded AVX-VNNI; makeCpuOps says what it really took.
        if (isa > best) continue;
        const auto ops = cpuOps(Compute::Int8, isa);
        if (ops->info().name.ends_with(toString(isa))) isas.push_back(isa);
    }
    return isas;
}

const char* toString(Isa isa) {
    switch (isa) {
        case Isa::Portable:
            return "portable";
        case Isa::Avx2:
            return "AVX2";
        case Isa::AvxVnni:
            return "AVX-VNNI";
        case Isa::Avx512Vnni:
            return "AVX-512 VNNI";
    }
    return "";
}

std::unique_ptr<Ops> cpuOps(Compute compute, Isa isa, int threads) {
    CpuOptions options;
    options.compute = compute;
    options.threads = threads;
    options.forceIsa = true;
    options.isa = isa;
    return makeCpuOps(options);
}

std::unique_ptr<Activations> activationsOf(Ops& ops, std::span<const float> rows, int width) {
    const int count = static_cast<int>(rows.size()) / width;
    const auto plain = ops.makeActivations(count, width);
    std::copy(rows.begin(), rows.end(), static_cast<detail::CpuActivations&>(*plain).floats(0));
    std::vector<int32_t> index(static_cast<size_t>(count));
    std::iota(index.begin(), index.end(), 0);
    auto ready = ops.makeActivations(count, width);
    ops.gatherRows(*ready, *plain, index.data(), count);
    return ready;
}

const detail::CpuActivations& cpuActivations(const Activations& activations) {
    return static_cast<const detail::CpuActivations&>(activations);
}

float poison() {
    return std::numeric_limits<float>::quiet_NaN();
}

}  // namespace kernels::testing
