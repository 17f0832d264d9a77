#include "engine/runtime/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/gguf/gguf_file.h"

namespace engine {
namespace {

std::string inMiB(size_t bytes) {
    return fmt::format("{} MiB", (bytes + (1U << 20) - 1) >> 20);
}

/// Vectors are kept as floats, matrices as the device likes them.
size_t tensorBytes(const GgufTensor& tensor, const kernels::Ops& ops) {
    return tensor.rows() == 1 ? ops.bufferBytes(tensor.cols() * sizeof(float))
                              : ops.weightBytes(tensor.dtype, tensor.rows(), tensor.cols());
}

}  // namespace

std::string MemoryPlan::explain() const {
    const std::string parts = fmt::format("{} of weights, {} for {} tokens of context, {} of workspace",
                                          inMiB(weights), inMiB(kv), contextTokens, inMiB(workspace));
    const std::string there = deviceTotal > free
                                  ? fmt::format("{} of {} are free (other programs and the driver hold {})",
                                                inMiB(free), inMiB(deviceTotal), inMiB(deviceTotal - free))
                                  : fmt::format("{} are free", inMiB(free));
    if (fits) return fmt::format("needs {}: {}; {}", inMiB(total()), parts, there);
    return fmt::format(
        "needs {} ({}), but only {}; close other programs, or choose a smaller model or context{}",
        inMiB(total()), parts, there, onCard ? ", or the CPU (--device cpu)" : "");
}

MemoryPlan planMemory(const GgufFile& file, const ModelConfig& config, const KvLayout& layout,
                      const TransformerLimits& limits, const MemoryWishes& wishes, const kernels::Ops& ops) {
    MemoryPlan plan;
    const kernels::DeviceInfo device = ops.info();
    plan.free = device.freeBytes;
    plan.deviceTotal = device.totalBytes;
    plan.onCard = device.kind == "cuda";
    for (const GgufTensor& tensor : file.tensors()) plan.weights += tensorBytes(tensor, ops);
    const auto workspaceFor = [&](size_t contextTokens) {
        TransformerLimits bounds = limits;
        bounds.maxContext = static_cast<int>(contextTokens);
        return Transformer::workspaceBytes(config, bounds, ops);
    };
    constexpr size_t kLeastContext = 512, kMostSequences = 4;
    const size_t trained = static_cast<size_t>(std::max(1, config.contextLength));
    const size_t perToken = std::max<size_t>(1, layout.bytesPerToken());
    const auto leftBeside = [&](size_t workspace) {
        const size_t fixed = plan.weights + workspace;
        return plan.free > fixed ? plan.free - fixed : 0;
    };
    const size_t wanted = wishes.contextTokens > 0
                              ? static_cast<size_t>(wishes.contextTokens)
                              : std::clamp(leftBeside(workspaceFor(kLeastContext)) / 2 / perToken,
                                           std::min(kLeastContext, trained), trained);
    plan.contextTokens = static_cast<int>(wanted);
    plan.workspace = workspaceFor(wanted);
    const size_t one = (wanted + 16) * perToken;
    plan.kv = wishes.kvBytes > 0
                  ? wishes.kvBytes
                  : one * std::clamp<size_t>(leftBeside(plan.workspace) / 2 / one, 1, kMostSequences);
    plan.fits = plan.total() <= plan.free;
    return plan;
}

}  // namespace engine
