#include "tests/engine/support/tiny_model.h"

#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "tests/kernels/support/random_blocks.h"

namespace engine::testing {
namespace {

using kernels::testing::Random;

class TinyWriter {
  public:
    TinyWriter(const TinyModel& shape, GgufBuilder begun)
        : shape_(shape), random_(shape.seed), file_(std::move(begun)) {}

    std::vector<std::byte> write() {
        metadata();
        matrix("token_embd.weight", shape_.vocabulary, shape_.embedding, 0.125F);
        if (!shape_.tied) matrix("output.weight", shape_.vocabulary, shape_.embedding, 0.125F);
        vector("output_norm.weight", shape_.embedding, 1.0F, 0.1F);
        if (shape_.frequencyFactors) frequencyFactors();
        for (int layer = 0; layer < shape_.layers; ++layer) writeLayer("blk." + std::to_string(layer) + ".");
        return file_.bytes();
    }

  private:
    void set(std::string_view name, int value) {
        file_.set(shape_.architecture + "." + std::string(name), static_cast<uint32_t>(value));
    }
    void set(std::string_view name, float value) {
        file_.set(shape_.architecture + "." + std::string(name), value);
    }

    void metadata() {
        file_.set("general.architecture", shape_.architecture);
        set("block_count", shape_.layers);
        set("context_length", 1024);
        set("embedding_length", shape_.embedding);
        set("feed_forward_length", shape_.feedForward);
        set("attention.head_count", shape_.heads);
        set("attention.head_count_kv", shape_.kvHeads);
        set("attention.key_length", shape_.headDim);
        set("attention.value_length", shape_.headDim);
        set("attention.layer_norm_rms_epsilon", 1e-5F);
        set("rope.freq_base", shape_.ropeBase);
        if (shape_.window > 0) set("attention.sliding_window", shape_.window);
        if (!shape_.scaling.empty()) file_.set(shape_.architecture + ".rope.scaling.type", shape_.scaling);
        if (shape_.scalingFactor > 0.0F) set("rope.scaling.factor", shape_.scalingFactor);
        if (shape_.originalContext > 0) set("rope.scaling.original_context_length", shape_.originalContext);
    }

    void matrix(const std::string& name, int rows, int columns, float deviation) {
        const auto elements = static_cast<size_t>(rows) * static_cast<size_t>(columns);
        const auto bytes = kernels::testing::randomElements(shape_.dtype, elements, deviation, random_);
        file_.tensor(name, shape_.dtype, {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)},
                     bytes);
    }

    void vector(const std::string& name, int size, float mean, float deviation) {
        std::vector<float> values(static_cast<size_t>(size));
        for (float& value : values) value = mean + random_.bell() * deviation;
        file_.tensor(name, {static_cast<uint64_t>(size)}, values);
    }

    /// Divisors from 1 to 8, growing as the frequencies fall, as Llama 3 has them.
    void frequencyFactors() {
        std::vector<float> values(static_cast<size_t>(shape_.headDim / 2));
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = 1.0F + 7.0F * static_cast<float>(i) / static_cast<float>(values.size() - 1);
        file_.tensor("rope_freqs.weight", {values.size()}, values);
    }

    void writeLayer(const std::string& layer) {
        const int E = shape_.embedding, F = shape_.feedForward;
        const int queries = shape_.heads * shape_.headDim, keys = shape_.kvHeads * shape_.headDim;
        const bool gemma = shape_.architecture == "gemma3";
        const float into = 1.0F / std::sqrt(static_cast<float>(E));
        vector(layer + "attn_norm.weight", E, 1.0F, 0.1F);
        matrix(layer + "attn_q.weight", queries, E, 1.5F * into);
        matrix(layer + "attn_k.weight", keys, E, 1.5F * into);
        matrix(layer + "attn_v.weight", keys, E, into);
        if (shape_.architecture == "qwen2") {
            vector(layer + "attn_q.bias", queries, 0.0F, 0.5F);
            vector(layer + "attn_k.bias", keys, 0.0F, 0.5F);
            vector(layer + "attn_v.bias", keys, 0.0F, 0.5F);
        }
        if (gemma || shape_.architecture == "qwen3") {
            vector(layer + "attn_q_norm.weight", shape_.headDim, 1.2F, 0.1F);
            vector(layer + "attn_k_norm.weight", shape_.headDim, 1.2F, 0.1F);
        }
        matrix(layer + "attn_output.weight", E, queries, 1.0F / std::sqrt(static_cast<float>(queries)));
        if (gemma) vector(layer + "post_attention_norm.weight", E, 1.0F, 0.1F);
        vector(layer + "ffn_norm.weight", E, 1.0F, 0.1F);
        matrix(layer + "ffn_gate.weight", F, E, into);
        matrix(layer + "ffn_up.weight", F, E, into);
        matrix(layer + "ffn_down.weight", E, F, 1.0F / std::sqrt(static_cast<float>(F)));
        if (gemma) vector(layer + "post_ffw_norm.weight", E, 1.0F, 0.1F);
    }

    const TinyModel& shape_;
    Random random_;
    GgufBuilder file_;
};

}  // namespace

std::vector<std::byte> tinyModelFile(const TinyModel& shape, GgufBuilder begun) {
    return TinyWriter(shape, std::move(begun)).write();
}

std::vector<int32_t> tinyIds(int count, int vocabulary, uint64_t seed) {
    Random random(seed);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    for (int32_t& id : ids) id = static_cast<int32_t>(random.next() % static_cast<uint64_t>(vocabulary));
    return ids;
}

}  // namespace engine::testing
