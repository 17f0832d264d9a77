#include "engine/model/model_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/gguf/gguf_file.h"

namespace engine {
namespace {

/// Reads `{arch}.*` keys, remembering the first that is missing or out of range.
class KeyReader {
  public:
    KeyReader(const GgufFile& file, std::string arch) : file_(file), arch_(std::move(arch)) {}

    std::string key(std::string_view name) const { return arch_ + "." + std::string(name); }

    int required(std::string_view name, int64_t most) {
        const auto value = file_.unsignedInteger(key(name));
        if (!value) return note(fmt::format("the key '{}' is missing or not a number", key(name)));
        return inRange(name, *value, most);
    }
    int optional(std::string_view name, int64_t fallback, int64_t most) {
        const auto value = file_.unsignedInteger(key(name));
        return value ? inRange(name, *value, most) : static_cast<int>(fallback);
    }
    /// A number, or an array with one equal number for each layer.
    int uniform(std::string_view name, int64_t fallback, int64_t most) {
        const auto values = file_.integers(key(name));
        if (!values || values->empty()) return static_cast<int>(fallback);
        if (std::ranges::any_of(*values, [&](int64_t v) { return v != values->front(); }))
            return note(
                fmt::format("'{}' differs from layer to layer, which this engine cannot run", key(name)));
        return values->front() < 0 ? note(fmt::format("'{}' is negative", key(name)))
                                   : inRange(name, static_cast<uint64_t>(values->front()), most);
    }
    float real(std::string_view name, double fallback) const {
        return static_cast<float>(file_.real(key(name)).value_or(fallback));
    }

    int note(std::string problem) {
        if (problem_.empty()) problem_ = std::move(problem);
        return 0;
    }
    const std::string& problem() const { return problem_; }

  private:
    int inRange(std::string_view name, uint64_t value, int64_t most) {
        if (value > static_cast<uint64_t>(most))
            return note(fmt::format("'{}' is {}, more than the {} that make sense", key(name), value, most));
        return static_cast<int>(value);
    }
    const GgufFile& file_;
    std::string arch_;
    std::string problem_;
};

std::optional<Architecture> architectureOf(std::string_view name) {
    if (name == "llama") return Architecture::Llama;
    if (name == "qwen2") return Architecture::Qwen2;
    if (name == "qwen3") return Architecture::Qwen3;
    if (name == "gemma3") return Architecture::Gemma3;
    return std::nullopt;
}

void readRope(ModelConfig& config, const GgufFile& file, KeyReader& keys) {
    config.ropePairs = config.architecture == Architecture::Llama ? kernels::RopePairs::Interleaved
                                                                  : kernels::RopePairs::Halves;
    config.ropeDimensions = keys.optional("rope.dimension_count", config.keyDim, config.keyDim);
    const std::string_view scaling = file.string(keys.key("rope.scaling.type")).value_or("none");
    const float factor = keys.real("rope.scaling.factor", keys.real("rope.scale_linear", 1.0));
    if (file.tensor("rope_freqs.weight") != nullptr) {
        config.ropeScaling = RopeScaling::Llama3;
    } else if (scaling == "yarn") {
        config.ropeScaling = RopeScaling::Yarn;
        config.ropeOriginalContext =
            keys.optional("rope.scaling.original_context_length", config.contextLength, 1 << 30);
        config.yarnExtFactor = keys.real("rope.scaling.yarn_ext_factor", 1.0);
        config.yarnAttnFactor =
            keys.real("rope.scaling.attn_factor", keys.real("rope.scaling.yarn_attn_factor", 1.0));
        config.yarnBetaFast = keys.real("rope.scaling.yarn_beta_fast", 32.0);
        config.yarnBetaSlow = keys.real("rope.scaling.yarn_beta_slow", 1.0);
    } else if (scaling == "linear" || (scaling == "none" && factor != 1.0F && factor > 0.0F)) {
        config.ropeScaling = RopeScaling::Linear;
    } else if (scaling != "none") {
        keys.note(fmt::format("'{}' is '{}'; linear, yarn and Llama 3 factors can be run",
                              keys.key("rope.scaling.type"), scaling));
    }
    config.ropeScale = factor > 0.0F ? factor : 1.0F;
}

void readAttention(ModelConfig& config, KeyReader& keys) {
    const float base = keys.real("rope.freq_base", 10000.0);
    config.attention.assign(static_cast<size_t>(config.layers), LayerAttention{0, base, true});
    if (config.architecture != Architecture::Gemma3) return;
    // Every sixth layer of Gemma 3 sees everything; the others see a window and rotate with their own base.
    constexpr int kPeriod = 6;
    const int window = keys.optional("attention.sliding_window", 0, 1 << 24);
    const float localBase = keys.real("rope.freq_base_swa", keys.real("rope.local.freq_base", 10000.0));
    if (window == 0) return;
    for (int layer = 0; layer < config.layers; ++layer)
        if (layer % kPeriod != kPeriod - 1)
            config.attention[static_cast<size_t>(layer)] = {window, localBase, false};
}

}  // namespace

AttentionKind ModelConfig::attentionKind() const {
    if (numKvHeads == numHeads) return AttentionKind::Mha;
    return numKvHeads == 1 ? AttentionKind::Mqa : AttentionKind::Gqa;
}

const char* toString(AttentionKind kind) {
    switch (kind) {
        case AttentionKind::Mha:
            return "mha";
        case AttentionKind::Gqa:
            return "gqa";
        case AttentionKind::Mqa:
            return "mqa";
        case AttentionKind::Mla:
            return "mla";
    }
    return "";
}

Result<ModelConfig> ModelConfig::read(const GgufFile& file) {
    const auto name = file.string("general.architecture");
    if (!name)
        return fail(ErrorCode::InvalidFile, "{}: the key 'general.architecture' is missing",
                    file.path().string());
    const auto architecture = architectureOf(*name);
    if (!architecture)
        return fail(ErrorCode::Unsupported,
                    "{}: the architecture '{}' is not supported; llama, qwen2, qwen3 and gemma3 are",
                    file.path().string(), *name);
    KeyReader keys(file, std::string(*name));
    ModelConfig config;
    config.architecture = *architecture;
    config.architectureName = *name;
    config.name = file.string("general.name").value_or(file.path().stem().string());
    config.layers = keys.required("block_count", 4096);
    config.embedding = keys.required("embedding_length", 1 << 20);
    config.feedForward = keys.uniform("feed_forward_length", 0, 1 << 22);
    config.numHeads = keys.uniform("attention.head_count", 0, 1 << 12);
    config.numKvHeads = keys.uniform("attention.head_count_kv", config.numHeads, 1 << 12);
    config.contextLength = keys.required("context_length", 1 << 30);
    if (keys.problem().empty() && (config.layers == 0 || config.embedding == 0 || config.feedForward == 0 ||
                                   config.numHeads == 0 || config.numKvHeads == 0))
        keys.note(
            fmt::format("one of '{0}.block_count', '{0}.embedding_length', '{0}.feed_forward_length' and "
                        "'{0}.attention.head_count' is 0",
                        *name));
    if (keys.problem().empty() && config.numHeads % config.numKvHeads != 0)
        keys.note(fmt::format("{} query heads cannot share {} key heads evenly", config.numHeads,
                              config.numKvHeads));
    if (!keys.problem().empty())
        return fail(ErrorCode::InvalidFile, "{}: {}", file.path().string(), keys.problem());

    config.keyDim = keys.optional("attention.key_length", config.embedding / config.numHeads, 4096);
    config.valueDim = keys.optional("attention.value_length", config.keyDim, 4096);
    config.normEpsilon = keys.real("attention.layer_norm_rms_epsilon", 1e-5);
    config.attentionScale = 1.0F / std::sqrt(static_cast<float>(config.keyDim));
    config.attentionSoftcap = keys.real("attn_logit_softcapping", 0.0);
    config.logitSoftcap = keys.real("final_logit_softcapping", 0.0);
    if (config.architecture == Architecture::Gemma3) {
        config.embeddingScale = std::sqrt(static_cast<float>(config.embedding));
        config.gate = kernels::GateKind::GeluTanh;
        // The 27B model scales by the width a head would have without its own key length.
        if (config.layers == 62)
            config.attentionScale =
                1.0F / std::sqrt(static_cast<float>(config.embedding) / static_cast<float>(config.numHeads));
    }
    readRope(config, file, keys);
    readAttention(config, keys);
    const GgufTensor* table = file.tensor("token_embd.weight");
    if (table == nullptr)
        keys.note(
            "the tensor 'token_embd.weight' is missing: this file has a vocabulary only, or is incomplete");
    if (table != nullptr) config.vocabulary = static_cast<int>(std::min<uint64_t>(table->rows(), 1U << 30));
    if (config.keyDim % 2 != 0 || config.keyDim == 0 || config.valueDim == 0 ||
        config.ropeDimensions % 2 != 0)
        keys.note(fmt::format("heads of {} and {} values with {} rotated cannot be", config.keyDim,
                              config.valueDim, config.ropeDimensions));
    if (!keys.problem().empty())
        return fail(ErrorCode::InvalidFile, "{}: {}", file.path().string(), keys.problem());
    return config;
}

}  // namespace engine
