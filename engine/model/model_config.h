#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/error.h"
#include "kernels/ops.h"

namespace engine {

class GgufFile;

enum class Architecture : uint8_t { Llama, Qwen2, Qwen3, Gemma3 };

/// How queries share keys: one KV head a query head, one for all, one for a group, or a shared latent.
enum class AttentionKind : uint8_t { Mha, Gqa, Mqa, Mla };

/// RoPE scaling as GGUF metadata names it; `Llama3` comes as the tensor `rope_freqs.weight`.
enum class RopeScaling : uint8_t { None, Linear, Yarn, Llama3 };

/// What one layer's attention sees.
struct LayerAttention {
    int window = 0;  ///< 0: everything before; else the number of tokens seen, itself included
    float ropeBase = 10000.0F;
    bool scaledRope = true;  ///< false: this layer rotates without scaling (Gemma 3's local layers)
};

/// Everything about a model that its metadata decides. Immutable once read.
struct ModelConfig {
    Architecture architecture = Architecture::Llama;
    std::string architectureName;  ///< as the file says, e.g. "qwen2"
    std::string name;              ///< general.name, for people
    int layers = 0;
    int embedding = 0;    ///< E, values a residual row
    int feedForward = 0;  ///< F, neurons of the gated FFN
    int numHeads = 0;
    int numKvHeads = 0;
    int keyDim = 0;         ///< values a key head
    int valueDim = 0;       ///< values a value head
    int vocabulary = 0;     ///< rows of the embedding table
    int contextLength = 0;  ///< tokens the model was made for
    float normEpsilon = 1e-5F;
    float embeddingScale = 1.0F;    ///< Gemma: sqrt(E)
    float attentionScale = 0.0F;    ///< multiplies q . k
    float attentionSoftcap = 0.0F;  ///< 0: none
    float logitSoftcap = 0.0F;      ///< 0: none
    int ropeDimensions = 0;
    kernels::RopePairs ropePairs = kernels::RopePairs::Halves;
    RopeScaling ropeScaling = RopeScaling::None;
    float ropeScale = 1.0F;       ///< factor of linear and YaRN scaling, >= 1
    int ropeOriginalContext = 0;  ///< YaRN: context length before scaling
    float yarnExtFactor = 1.0F, yarnAttnFactor = 1.0F, yarnBetaFast = 32.0F, yarnBetaSlow = 1.0F;
    kernels::GateKind gate = kernels::GateKind::Silu;
    std::vector<LayerAttention> attention;  ///< [layers]

    AttentionKind attentionKind() const;

    /// Reads and validates; an architecture that cannot run, a missing key or a size that makes no sense is
    /// refused with the key's name.
    static Result<ModelConfig> read(const GgufFile& file);
};

const char* toString(AttentionKind kind);  ///< "mha", "gqa", "mqa", "mla"

}  // namespace engine
