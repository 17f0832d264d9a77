#include "tests/engine/support/tiny_model.h"

#include <cmath>
#include <cstring>
#include <string_view>

#include "tests/engine/support/gguf_builder.h"

namespace engine::testing {
namespace {

using kernels::DType;

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }
    /// Mean 0, deviation 1, bell-shaped: the sum of twelve 16-bit uniforms, exact in a float.
    float bell() {
        int64_t sum = 0;
        for (int i = 0; i < 3; ++i) {
            const uint64_t bits = next();
            for (int part = 0; part < 4; ++part) sum += static_cast<int64_t>((bits >> (16 * part)) & 0xFFFF);
        }
        return static_cast<float>(sum - 12 * 32768) / 65536.0F;
    }

  private:
    uint64_t state_;
};

/// Where a block keeps its scales, and the deviation that random quants give at scale 1. `offset` (a minimum
/// or an added value) is the scale times `offsetRatio`, which centres the values.
struct BlockForm {
    int scaleAt;
    int offsetAt;  ///< -1: none
    float deviation;
    float offsetRatio;
};

BlockForm formOf(DType type) {
    switch (type) {
        case DType::Q4_0:
            return {0, -1, 4.6F, 0.0F};
        case DType::Q4_1:
            return {0, 2, 4.6F, -7.5F};
        case DType::Q5_0:
            return {0, -1, 9.2F, 0.0F};
        case DType::Q5_1:
            return {0, 2, 9.2F, -15.5F};
        case DType::Q8_0:
            return {0, -1, 74.0F, 0.0F};
        case DType::Q2_K:
            return {80, 82, 14.0F, 1.5F};
        case DType::Q3_K:
            return {108, -1, 43.0F, 0.0F};
        case DType::Q4_K:
            return {0, 2, 258.0F, 7.5F};
        case DType::Q5_K:
            return {0, 2, 520.0F, 15.5F};
        case DType::Q6_K:
            return {208, -1, 1366.0F, 0.0F};
        case DType::IQ4_NL:
            return {0, -1, 70.0F, 0.0F};
        case DType::IQ4_XS:
            return {0, -1, 1300.0F, 0.0F};
        default:
            return {-1, -1, 1.0F, 0.0F};
    }
}

void putHalf(std::byte* to, float value) {
    const uint16_t half = kernels::floatToHalf(value);
    std::memcpy(to, &half, sizeof half);
}

std::vector<std::byte> quantisedBytes(DType type, size_t blocks, float deviation, Random& random) {
    const auto blockBytes = static_cast<size_t>(kernels::dtypeInfo(type).blockBytes);
    const BlockForm form = formOf(type);
    std::vector<std::byte> bytes(blocks * blockBytes);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() & 0xFF);
    for (size_t block = 0; block < blocks; ++block) {
        std::byte* at = bytes.data() + block * blockBytes;
        // Scales differ by up to a half from block to block.
        const float scale =
            deviation / form.deviation * (1.0F + static_cast<float>(random.next() & 0xFF) / 512.0F);
        putHalf(at + form.scaleAt, scale);
        if (form.offsetAt >= 0) putHalf(at + form.offsetAt, scale * form.offsetRatio);
    }
    return bytes;
}

std::vector<std::byte> floatBytes(DType type, size_t count, float deviation, Random& random) {
    const size_t width = type == DType::F32 ? 4 : 2;
    std::vector<std::byte> bytes(count * width);
    for (size_t i = 0; i < count; ++i) {
        const float value = random.bell() * deviation;
        uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        if (type == DType::F16) bits = kernels::floatToHalf(value);
        if (type == DType::BF16) bits >>= 16;
        std::memcpy(bytes.data() + i * width, &bits, width);
    }
    return bytes;
}

class TinyWriter {
  public:
    explicit TinyWriter(const TinyModel& shape) : shape_(shape), random_(shape.seed) {}

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
        const auto block = static_cast<size_t>(kernels::dtypeInfo(shape_.dtype).blockElements);
        const auto bytes = block == 1 ? floatBytes(shape_.dtype, elements, deviation, random_)
                                      : quantisedBytes(shape_.dtype, elements / block, deviation, random_);
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

std::vector<std::byte> tinyModelFile(const TinyModel& shape) {
    return TinyWriter(shape).write();
}

std::vector<int32_t> tinyIds(int count, int vocabulary, uint64_t seed) {
    Random random(seed);
    std::vector<int32_t> ids(static_cast<size_t>(count));
    for (int32_t& id : ids) id = static_cast<int32_t>(random.next() % static_cast<uint64_t>(vocabulary));
    return ids;
}

}  // namespace engine::testing
