// A decode step that the GPU keeps and replays, against the same operations one by one: bit for bit. Needs a
// card; tests/gpu/run says how.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "kernels/cuda_plugin.h"
#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {
namespace {

struct StepCase {
    int width, heads, kvHeads, dim, feedForward, vocabulary;
    DType attentionType, valueType, feedForwardType;
    KvType kvType = KvType::F16;
    int position = 40;
    int window = 0;
    RopePairs pairs = RopePairs::Halves;
    bool branchNorms = false, biases = false, headNorms = false;
};

/// Whether a step uses the operations that are several in one, or those they stand for.
enum class Form { Joined, Separate };

/// Two layers of random weights, driven through Ops as a model does.
class TinyStep {
  public:
    TinyStep(Ops& ops, const StepCase& shape, Random& random) : ops_(ops), shape_(shape), random_(random) {
        const int kvWidth = shape.kvHeads * shape.dim, queryWidth = shape.heads * shape.dim;
        embedding_ = weight(DType::Q6_K, shape.vocabulary, shape.width);
        for (Layer& layer : layers_) {
            layer.query = weight(shape.attentionType, queryWidth, shape.width);
            layer.key = weight(shape.attentionType, kvWidth, shape.width);
            layer.value = weight(shape.valueType, kvWidth, shape.width);
            layer.output = weight(shape.attentionType, shape.width, queryWidth);
            layer.gate = weight(shape.feedForwardType, shape.feedForward, shape.width);
            layer.up = weight(shape.feedForwardType, shape.feedForward, shape.width);
            layer.down = weight(shape.valueType, shape.width, shape.feedForward);
            layer.norm = floats(shape.width);
            layer.branchNorm = floats(shape.width);
            layer.bias = floats(queryWidth);
        }
        norm_ = floats(shape.width);
        residual_ = floats(shape.width);
        branch_ = floats(shape.width);
        projected_ = floats(queryWidth + 2 * kvWidth);
        gates_ = floats(2 * shape.feedForward);
        logits_ = floats(shape.vocabulary);
        input_ = ops.makeActivations(1, shape.width);
        picked_ = ops.makeActivations(1, shape.width);
        attended_ = ops.makeActivations(1, queryWidth);
        gated_ = ops.makeActivations(1, shape.feedForward);
        std::vector<float> frequencies;
        for (int i = 0; i < shape.dim / 2; ++i)
            frequencies.push_back(
                std::pow(10000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(shape.dim)));
        frequencies_ = upload(frequencies);
        rotations_ = floats(shape.dim);
        layer_ = {nullptr, shape.kvType, shape.kvHeads, shape.dim, shape.dim, 16};
        blockCount_ = shape.position / 16 + 1;
        const size_t bytes = layer_.blockBytes() * static_cast<size_t>(blockCount_) * 2;
        // Every history is plausible bytes: halves, or quants with plausible scales, below one.
        std::vector<std::byte> history(bytes);
        for (size_t i = 0; i < bytes; ++i)
            history[i] = static_cast<std::byte>(random_.next() % 256 & (i % 2 == 1 ? 0x3BU : 0xFFU));
        pool_ = upload(history);
        // Token, index, row starts, position, context, table start, slot, then the blocks.
        std::vector<int32_t> integers = {3, 0, 0, 1, shape.position, shape.position + 1, 0, blockCount_};
        integers.push_back(shape.position % 16);  // the last block is number 0
        for (int b = 0; b < blockCount_; ++b) integers.push_back(blockCount_ - 1 - b);
        integers_ = upload(integers);
    }

    struct Result {
        std::vector<float> logits;
        std::vector<std::byte> kv;
        bool operator==(const Result& other) const {
            return std::memcmp(logits.data(), other.logits.data(), logits.size() * sizeof(float)) == 0 &&
                   kv == other.kv;
        }
    };

    Result run(uint64_t key, Form form = Form::Joined) {
        ops_.repeat(key, [this, form] { compute(form); });
        Result result;
        result.logits.resize(static_cast<size_t>(shape_.vocabulary));
        ops_.download(result.logits.data(), logits_.data(), result.logits.size() * sizeof(float));
        result.kv.resize(pool_.bytes());
        ops_.download(result.kv.data(), pool_.data(), result.kv.size());
        return result;
    }
    /// The next position, so that replays see other contents.
    void advance() {
        ++shape_.position;
        const int32_t words[] = {
            7, 0, 0, 1, shape_.position, shape_.position + 1, 0, blockCount_, shape_.position % 16};
        ops_.upload(integers_.data(), words, sizeof(words));
    }

  private:
    struct Layer {
        std::unique_ptr<Weight> query, key, value, output, gate, up, down;
        DeviceBuffer norm, branchNorm, bias;
    };

    std::unique_ptr<Weight> weight(DType type, int rows, int columns) {
        const auto bytes = randomElements(type, static_cast<size_t>(rows) * static_cast<size_t>(columns),
                                          1.0F / std::sqrt(static_cast<float>(columns)), random_);
        return ops_.loadWeight(
            {type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), bytes.data()});
    }
    template <class T>
    DeviceBuffer upload(const std::vector<T>& values) {
        DeviceBuffer buffer = ops_.allocate(values.size() * sizeof(T));
        ops_.upload(buffer.data(), values.data(), values.size() * sizeof(T));
        return buffer;
    }
    DeviceBuffer floats(int count) { return upload(randomFloats(static_cast<size_t>(count), 1.0F, random_)); }

    void compute(Form form) {
        const auto* integers = integers_.as<int32_t>();
        const StepRows rows{{1, 0}, 1, integers + 4, integers + 2, integers + 5, 1, 16 * blockCount_};
        const BlockTables tables{integers + 6, integers + 9, integers + 8};
        const int kvWidth = shape_.kvHeads * shape_.dim, queryWidth = shape_.heads * shape_.dim;
        const int stride = queryWidth + 2 * kvWidth;
        auto *query = projected_.as<float>(), *key = query + queryWidth, *value = key + kvWidth;
        // The base class's own forms are the separate operations.
        const auto project = [&](const Weight& weight, const Activations& in, const float* branchNorm,
                                 const float* norm) {
            const Projection projection{&weight, branch_.as<float>(), shape_.width, nullptr};
            if (form == Form::Joined)
                ops_.projectAddNorm(*input_, residual_.as<float>(), projection, in, branchNorm, norm, 1e-5F,
                                    rows.rows);
            else
                ops_.Ops::projectAddNorm(*input_, residual_.as<float>(), projection, in, branchNorm, norm,
                                         1e-5F, rows.rows);
        };
        ops_.embed(residual_.as<float>(), *embedding_, integers, 1.0F, 1);
        ops_.rotations(rotations_.as<float>(), {shape_.pairs, shape_.dim, frequencies_.as<float>(), 1.0F},
                       rows.positions, 1);
        ops_.addNorm(*input_, residual_.as<float>(), nullptr, nullptr, layers_[0].norm.as<float>(), 1e-5F, 1,
                     shape_.width);
        KvLayer kv = layer_;
        kv.base = pool_.as<std::byte>();
        for (size_t index = 0; index < 2; ++index) {
            Layer& layer = layers_[index];
            const float* bias = shape_.biases ? layer.bias.as<float>() : nullptr;
            const Projection three[] = {{layer.query.get(), query, stride, bias},
                                        {layer.key.get(), key, stride, bias},
                                        {layer.value.get(), value, stride, nullptr}};
            ops_.matmul(three, *input_, rows.rows);
            RopeStore store;
            store.query = query, store.key = key, store.value = value;
            store.queryStride = store.keyStride = store.valueStride = stride;
            store.numHeads = shape_.heads;
            store.pairs = shape_.pairs;
            store.dimensions = shape_.dim;
            store.rotations = rotations_.as<float>();
            if (shape_.headNorms)
                store.queryNorm = layer.norm.as<float>(), store.keyNorm = layer.branchNorm.as<float>(),
                store.normEpsilon = 1e-6F;
            const AttentionShape attention{shape_.heads, 0.1F, shape_.window, 0.0F};
            if (form == Form::Joined)
                ops_.ropeAttention(*attended_, store, kv, rows, tables, attention);
            else
                ops_.Ops::ropeAttention(*attended_, store, kv, rows, tables, attention);
            const float* branchNorm = shape_.branchNorms ? layer.branchNorm.as<float>() : nullptr;
            project(*layer.output, *attended_, branchNorm, layer.norm.as<float>());
            ops_.gatedFfn(*gated_, *layer.gate, *layer.up, *input_, GateKind::Silu, gates_.as<float>(),
                          rows.rows);
            project(*layer.down, *gated_, branchNorm,
                    index == 0 ? layers_[1].norm.as<float>() : norm_.as<float>());
            kv.base += layer_.blockBytes() * static_cast<size_t>(blockCount_);
        }
        ops_.gatherRows(*picked_, *input_, integers + 1, 1);
        const Projection head{embedding_.get(), logits_.as<float>(), shape_.vocabulary, nullptr};
        ops_.matmul({&head, 1}, *picked_, {1, 0});
    }

    Ops& ops_;
    StepCase shape_;
    Random& random_;
    int blockCount_ = 0;
    KvLayer layer_;
    std::unique_ptr<Weight> embedding_;
    Layer layers_[2];
    DeviceBuffer norm_, residual_, branch_, projected_, gates_, logits_, frequencies_, rotations_, pool_,
        integers_;
    std::unique_ptr<Activations> input_, picked_, attended_, gated_;
};

class StepTest : public ::testing::TestWithParam<StepCase> {};

TEST_P(StepTest, ARepeatedStepGivesTheBytesOfItsOperations) {
    const uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto ops = makeCudaOps();
    TinyStep step(*ops, GetParam(), random);
    const auto first = step.run(1);
    for (float logit : first.logits) ASSERT_TRUE(std::isfinite(logit));
    for (int again = 0; again < 5; ++again) EXPECT_TRUE(step.run(1) == first) << "run " << again;
    // Other tokens and positions through the same record, beside operations one by one.
    for (uint64_t key = 2; key < 5 && GetParam().position % 16 < 12; ++key) {
        step.advance();
        const auto plain = step.run(key);
        EXPECT_FALSE(plain == first);
        EXPECT_TRUE(step.run(1) == plain) << "step " << key;
    }
}

TEST_P(StepTest, JoinedOperationsGiveTheBytesOfTheSeparateOnes) {
    const uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto ops = makeCudaOps();
    TinyStep step(*ops, GetParam(), random);
    const auto separate = step.run(1, Form::Separate);
    EXPECT_TRUE(step.run(2) == separate);
    for (uint64_t key = 3; key < 9 && GetParam().position % 16 < 12; key += 2) {
        step.advance();
        const auto joined = step.run(key);
        EXPECT_TRUE(step.run(key + 1, Form::Separate) == joined) << "position after " << key / 2;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, StepTest,
    ::testing::Values(
        StepCase{4096, 32, 8, 128, 14336, 2000, DType::Q4_K, DType::Q6_K, DType::Q4_K},
        StepCase{4096, 32, 8, 128, 14336, 2000, DType::Q4_K, DType::Q6_K, DType::Q4_K, KvType::Q8_0, 2500},
        StepCase{5120, 40, 8, 128, 27648, 1000, DType::Q4_K, DType::Q6_K, DType::Q4_K, KvType::F16, 40, 0,
                 RopePairs::Halves, false, true},
        StepCase{576, 9, 3, 64, 1536, 5000, DType::Q4_1, DType::Q4_1, DType::Q4_1, KvType::F16, 17, 0,
                 RopePairs::Interleaved},
        StepCase{896, 14, 2, 64, 4864, 1001, DType::Q5_0, DType::Q8_0, DType::Q4_K, KvType::Q4_0, 300, 100,
                 RopePairs::Halves, false, true},
        StepCase{1024, 4, 4, 128, 2816, 300, DType::IQ4_XS, DType::Q5_K, DType::Q3_K, KvType::F16, 5000, 1024,
                 RopePairs::Halves, true, true},
        StepCase{992, 16, 16, 64, 3008, 999, DType::Q8_0, DType::Q8_0, DType::Q8_0, KvType::F16, 130, 0,
                 RopePairs::Interleaved, false, false, true},
        StepCase{1024, 16, 2, 128, 3072, 999, DType::Q4_K, DType::Q6_K, DType::Q4_K, KvType::Q8_0, 77, 0,
                 RopePairs::Halves, false, false, true},
        StepCase{2048, 32, 2, 64, 5632, 777, DType::Q2_K, DType::IQ4_NL, DType::Q5_1, KvType::F16, 33, 0}));

}  // namespace
}  // namespace kernels::testing
