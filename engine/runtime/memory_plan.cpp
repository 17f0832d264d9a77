#include "engine/runtime/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/gguf/gguf_file.h"

namespace engine {
namespace {

std::string inMiB(size_t bytes) {
    return fmt::format("{} MiB", (bytes + (1U << 20) - 1) >> 20);
}

size_t workspaceBytes(const ModelConfig& c, const TransformerLimits& limits) {
    const auto E = static_cast<size_t>(c.embedding), F = static_cast<size_t>(c.feedForward);
    const size_t queries = static_cast<size_t>(c.numHeads) * static_cast<size_t>(c.keyDim),
                 attended = static_cast<size_t>(c.numHeads) * static_cast<size_t>(c.valueDim);
    const size_t keysAndValues =
        static_cast<size_t>(c.numKvHeads) * static_cast<size_t>(c.keyDim + c.valueDim);
    // The hidden state twice: a prompt may wait between two layers.
    const size_t floatsPerRow = 4 * E + queries + keysAndValues + 2 * F;
    // Activations keep a float, a quant and a share of a scale for each value.
    const size_t activationBytesPerRow = (E + F + attended) * 6;
    const size_t logits =
        static_cast<size_t>(limits.maxLogitRows) * (static_cast<size_t>(c.vocabulary) * 4 + E * 6);
    return static_cast<size_t>(limits.maxRows) * (floatsPerRow * 4 + activationBytesPerRow) + logits;
}

}  // namespace

std::string MemoryPlan::explain() const {
    const std::string parts = fmt::format("{} of weights, {} for {} tokens of context, {} of workspace",
                                          inMiB(weights), inMiB(kv), contextTokens, inMiB(workspace));
    if (fits) return fmt::format("needs {}: {}; {} are free", inMiB(total()), parts, inMiB(free));
    return fmt::format(
        "needs {} ({}), but only {} are free; close other programs, or choose a smaller model or context",
        inMiB(total()), parts, inMiB(free));
}

MemoryPlan planMemory(const GgufFile& file, const ModelConfig& config, const KvLayout& layout,
                      const TransformerLimits& limits, int contextTokens, size_t kvBytes, size_t freeBytes) {
    MemoryPlan plan;
    plan.free = freeBytes;
    for (const GgufTensor& tensor : file.tensors()) plan.weights += tensor.bytes;
    plan.workspace = workspaceBytes(config, limits);
    const size_t perToken = std::max<size_t>(1, layout.bytesPerToken());
    const size_t fixed = plan.weights + plan.workspace;
    const size_t left = freeBytes > fixed ? freeBytes - fixed : 0;
    constexpr size_t kLeastContext = 512, kMostSequences = 4;
    const size_t trained = static_cast<size_t>(std::max(1, config.contextLength));
    const size_t wanted = contextTokens > 0
                              ? static_cast<size_t>(contextTokens)
                              : std::clamp(left / 2 / perToken, std::min(kLeastContext, trained), trained);
    plan.contextTokens = static_cast<int>(wanted);
    const size_t one = (wanted + 16) * perToken;
    plan.kv = kvBytes > 0 ? kvBytes : one * std::clamp<size_t>(left / 2 / one, 1, kMostSequences);
    plan.fits = fixed + plan.kv <= freeBytes;
    return plan;
}

}  // namespace engine
