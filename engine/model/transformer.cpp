#include "engine/model/transformer.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/gguf/gguf_file.h"
#include "engine/model/rope_table.h"
#include "engine/model/weight_store.h"

namespace engine {
namespace {

using kernels::Activations;
using kernels::DeviceBuffer;
using kernels::Weight;

struct Layer {
    DeviceBuffer attentionNorm, feedForwardNorm;          ///< [E]
    DeviceBuffer postAttentionNorm, postFeedForwardNorm;  ///< [E]; Gemma 3, else empty
    DeviceBuffer queryNorm, keyNorm;                      ///< [keyDim]; Qwen 3 and Gemma 3, else empty
    DeviceBuffer queryBias, keyBias, valueBias;           ///< Qwen 2, else empty
    std::unique_ptr<Weight> query, key, value, output, gate, up, down;
    size_t rope = 0;                  ///< which of the transformer's
    int group = 0, indexInGroup = 0;  ///< where its KV is
};

/// A rotary embedding that some layers share.
struct LayerRope {
    LayerAttention attention;  ///< of one of the layers
    kernels::Rope rope;
    DeviceBuffer frequencies;  ///< [dimensions / 2]
};

/// A step's integers in one upload: arrays are added one after the other and get device addresses.
class StepUpload {
  public:
    explicit StepUpload(const DeviceBuffer& buffer)
        : device_(buffer.as<int32_t>()), capacity_(buffer.bytes() / sizeof(int32_t)) {}
    /// `room`: places to take at least, so that what follows has the same address whatever the number of
    /// values.
    int32_t* add(const std::vector<int32_t>& values, size_t room = 0) {
        const size_t at = host_.size();
        host_.insert(host_.end(), values.begin(), values.end());
        host_.resize(at + std::max(room, values.size()));
        return device_ + at;
    }
    bool fits() const { return host_.size() <= capacity_; }
    void send(kernels::Ops& ops) const { ops.upload(device_, host_.data(), host_.size() * sizeof(int32_t)); }

  private:
    int32_t* device_;
    size_t capacity_;
    std::vector<int32_t> host_;
};

/// Steps of this kind come again and again in few shapes.
bool isRepeatable(const Batch& batch) {
    return batch.rows.prefill == 0;
}

/// A bound on `tokens`, at most a quarter above it, of which there are few.
int contextBound(int tokens, int maxContext) {
    int unit = 256;
    while (unit * 8 < tokens) unit *= 2;
    return std::min((tokens + unit - 1) / unit * unit, std::max(tokens, maxContext));
}

bool haveOneRope(const LayerAttention& a, const LayerAttention& b) {
    return a.ropeBase == b.ropeBase && a.scaledRope == b.scaledRope;
}

/// How many different ropes the layers have.
size_t countRopes(const ModelConfig& config) {
    size_t count = 0;
    for (auto layer = config.attention.begin(); layer != config.attention.end(); ++layer)
        count += std::none_of(config.attention.begin(), layer,
                              [&](const LayerAttention& other) { return haveOneRope(other, *layer); });
    return count;
}

/// Bytes of the buffers of a step.
struct ScratchBytes {
    size_t projected, gates, logits;       ///< within a layer
    size_t embedded, rotations, integers;  ///< of a residual or branch, a rope, tokens and tables

    ScratchBytes(const ModelConfig& c, const TransformerLimits& limits) {
        const auto floats = [](size_t rows, int width) {
            return rows * static_cast<size_t>(width) * sizeof(float);
        };
        const auto rows = static_cast<size_t>(limits.maxRows);
        projected = floats(rows, c.numHeads * c.keyDim + c.numKvHeads * (c.keyDim + c.valueDim));
        gates = floats(rows, 2 * c.feedForward);
        logits = floats(static_cast<size_t>(limits.maxLogitRows), c.vocabulary);
        embedded = floats(rows, c.embedding);
        rotations = std::max(sizeof(float), floats(rows, c.ropeDimensions));
        // Tokens, positions and logit rows; per group a slot a row, CSR starts, and every sequence's blocks
        // at 16 tokens each.
        const size_t groups = KvLayout::of(c, KvType::F16).groups.size();
        const size_t sequences = static_cast<size_t>(limits.maxSequences) + 1;
        const size_t blocks = sequences * (static_cast<size_t>(limits.maxContext) / 16 + 1);
        integers = (3 * rows + 2 * sequences + groups * (rows + sequences + blocks)) * sizeof(int32_t);
    }
};

kernels::StepBounds stepBounds(const ModelConfig& config, const TransformerLimits& limits) {
    return {limits.maxRows, std::min(limits.maxRows, limits.maxLogitRows), limits.maxContext, config.numHeads,
            config.valueDim};
}

class DenseTransformer final : public Transformer {
  public:
    DenseTransformer(const ModelConfig& config, kernels::Ops& ops, const TransformerLimits& limits)
        : config_(config), ops_(ops), limits_(limits), instance_(nextInstance()) {}

    std::optional<Error> load(const GgufFile& file, const LoadProgress& progress);
    float* forward(const Batch& batch, std::span<KvBlockPool> pools) override;
    void begin(const Batch& batch) override;
    float* advance(int layers, std::span<KvBlockPool> pools) override;
    const ModelConfig& config() const override { return config_; }
    size_t weightBytes() const override { return weightBytes_; }

  private:
    struct Step {
        kernels::StepRows rows;
        std::vector<kernels::BlockTables> tables;  ///< [groups]
        const int32_t *tokens = nullptr, *logitRows = nullptr;
        int logitCount = 0;
    };
    /// What has to last from layer to layer, rows as limits_.maxRows.
    struct Hidden {
        DeviceBuffer residual;                ///< [rows, E]
        std::unique_ptr<Activations> input;   ///< [rows, E] the residual, normed for the layer to come
        std::vector<DeviceBuffer> rotations;  ///< of each rope [rows, dimensions / 2, 2]
        DeviceBuffer integers;                ///< of a Step
    };

    /// The number of the rope that a layer uses; layers of one kind share it.
    size_t ropeOf(const LayerAttention& attention, const std::vector<float>& factors);
    void loadLayer(WeightStore& store, int index);
    void allocateScratch();
    Step upload(const Batch& batch, const Hidden& hidden);
    uint64_t repeatKey(const Batch& batch, const Step& step, std::span<KvBlockPool> pools) const;
    void embed(const Hidden& hidden, const Step& step);
    void runLayers(const Hidden& hidden, const Step& step, size_t first, size_t end,
                   std::span<KvBlockPool> pools);
    void runHead(const Hidden& hidden, const Step& step);
    void attentionBlock(const Layer& layer, const Hidden& hidden, const Step& step, const KvBlockPool& pool);
    void feedForwardBlock(const Layer& layer, const Hidden& hidden, const Step& step,
                          const DeviceBuffer& nextNorm);
    /// Projects a branch back into the residual and norms the sum for what comes next.
    void endBranch(const Weight& weight, const Activations& in, const DeviceBuffer& branchNorm,
                   const DeviceBuffer& nextNorm, const Hidden& hidden, const Step& step);

    int queryWidth() const { return config_.numHeads * config_.keyDim; }
    int keyWidth() const { return config_.numKvHeads * config_.keyDim; }
    int valueWidth() const { return config_.numKvHeads * config_.valueDim; }

    /// Addresses are used again once a model is gone, so they cannot tell a step's work from another model's.
    static uint64_t nextInstance() {
        static std::atomic<uint64_t> count{0};
        return ++count;
    }

    ModelConfig config_;
    kernels::Ops& ops_;
    TransformerLimits limits_;
    uint64_t instance_;
    std::vector<LayerRope> ropes_;
    std::vector<Layer> layers_;
    std::unique_ptr<Weight> embedding_, head_;  ///< head_ null: tied to the embedding
    DeviceBuffer outputNorm_;
    size_t weightBytes_ = 0;

    Hidden hidden_, begunHidden_;
    Step begun_;
    size_t nextLayer_ = 0;  ///< of what was begun

    // Scratch within a layer, rows as limits_.maxRows.
    DeviceBuffer projected_, gates_, branch_, logits_;
    std::unique_ptr<Activations> attended_, gated_, picked_;
};

std::optional<Error> DenseTransformer::load(const GgufFile& file, const LoadProgress& progress) {
    WeightStore store(file, ops_, progress);
    embedding_ = store.matrix("token_embd.weight", config_.vocabulary, config_.embedding);
    if (store.has("output.weight"))
        head_ = store.matrix("output.weight", config_.vocabulary, config_.embedding);
    outputNorm_ = store.vector("output_norm.weight", config_.embedding);

    const std::vector<float> factors = store.hostVector("rope_freqs.weight");
    if (!factors.empty() && factors.size() != static_cast<size_t>(config_.ropeDimensions / 2))
        return Error{
            ErrorCode::InvalidFile,
            fmt::format("{}: the tensor 'rope_freqs.weight' has {} values, but the metadata asks for {}",
                        file.path().string(), factors.size(), config_.ropeDimensions / 2)};
    for (int index = 0; index < config_.layers; ++index) {
        const size_t rope = ropeOf(config_.attention[static_cast<size_t>(index)], factors);
        loadLayer(store, index);
        layers_.back().rope = rope;
        if (store.problem()) return store.problem();
    }
    // Layers find their KV by the layout's grouping.
    const KvLayout layout = KvLayout::of(config_, KvType::F16);
    for (size_t group = 0; group < layout.groups.size(); ++group)
        for (size_t i = 0; i < layout.groups[group].layers.size(); ++i) {
            Layer& layer = layers_[static_cast<size_t>(layout.groups[group].layers[i])];
            layer.group = static_cast<int>(group);
            layer.indexInGroup = static_cast<int>(i);
        }
    if (store.problem()) return store.problem();
    ops_.finishLoading();
    allocateScratch();
    weightBytes_ += (head_ ? head_ : embedding_)->deviceBytes();
    return std::nullopt;
}

size_t DenseTransformer::ropeOf(const LayerAttention& attention, const std::vector<float>& factors) {
    const auto known = std::ranges::find_if(
        ropes_, [&](const LayerRope& rope) { return haveOneRope(rope.attention, attention); });
    if (known != ropes_.end()) return static_cast<size_t>(known - ropes_.begin());
    const RopeTable table = makeRopeTable(config_, attention.ropeBase, attention.scaledRope, factors);
    LayerRope& rope = ropes_.emplace_back();
    rope.attention = attention;
    const size_t pairs = table.inverseFrequency.size();
    rope.frequencies = ops_.allocate(std::max<size_t>(1, pairs) * sizeof(float));
    ops_.upload(rope.frequencies.data(), table.inverseFrequency.data(), pairs * sizeof(float));
    rope.rope = {config_.ropePairs, config_.ropeDimensions, rope.frequencies.as<float>(), table.magnitude};
    return ropes_.size() - 1;
}

void DenseTransformer::loadLayer(WeightStore& store, int index) {
    const auto name = [index](const char* part) { return fmt::format("blk.{}.{}", index, part); };
    const int E = config_.embedding, F = config_.feedForward;
    Layer& layer = layers_.emplace_back();
    layer.attentionNorm = store.vector(name("attn_norm.weight"), E);
    layer.feedForwardNorm = store.vector(name("ffn_norm.weight"), E);
    if (config_.architecture == Architecture::Gemma3) {
        layer.postAttentionNorm = store.vector(name("post_attention_norm.weight"), E);
        layer.postFeedForwardNorm = store.vector(name("post_ffw_norm.weight"), E);
    }
    if (config_.architecture == Architecture::Gemma3 || config_.architecture == Architecture::Qwen3) {
        layer.queryNorm = store.vector(name("attn_q_norm.weight"), config_.keyDim);
        layer.keyNorm = store.vector(name("attn_k_norm.weight"), config_.keyDim);
    }
    layer.queryBias = store.optionalVector(name("attn_q.bias"), queryWidth());
    layer.keyBias = store.optionalVector(name("attn_k.bias"), keyWidth());
    layer.valueBias = store.optionalVector(name("attn_v.bias"), valueWidth());
    layer.query = store.matrix(name("attn_q.weight"), queryWidth(), E);
    layer.key = store.matrix(name("attn_k.weight"), keyWidth(), E);
    layer.value = store.matrix(name("attn_v.weight"), valueWidth(), E);
    layer.output = store.matrix(name("attn_output.weight"), E, config_.numHeads * config_.valueDim);
    layer.gate = store.matrix(name("ffn_gate.weight"), F, E);
    layer.up = store.matrix(name("ffn_up.weight"), F, E);
    layer.down = store.matrix(name("ffn_down.weight"), E, F);
    for (const auto* weight :
         {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate, &layer.up, &layer.down})
        if (*weight != nullptr) weightBytes_ += (*weight)->deviceBytes();
}

void DenseTransformer::allocateScratch() {
    const ScratchBytes bytes(config_, limits_);
    projected_ = ops_.allocate(bytes.projected);
    gates_ = ops_.allocate(bytes.gates);
    logits_ = ops_.allocate(bytes.logits);
    branch_ = ops_.allocate(bytes.embedded);
    attended_ = ops_.makeActivations(limits_.maxRows, config_.numHeads * config_.valueDim);
    gated_ = ops_.makeActivations(limits_.maxRows, config_.feedForward);
    picked_ = ops_.makeActivations(limits_.maxLogitRows, config_.embedding);
    for (Hidden* hidden : {&hidden_, &begunHidden_}) {
        hidden->residual = ops_.allocate(bytes.embedded);
        hidden->input = ops_.makeActivations(limits_.maxRows, config_.embedding);
        for (size_t rope = 0; rope < ropes_.size(); ++rope)
            hidden->rotations.push_back(ops_.allocate(bytes.rotations));
        hidden->integers = ops_.allocate(bytes.integers);
    }
    ops_.reserveWorkspace(stepBounds(config_, limits_));
}

DenseTransformer::Step DenseTransformer::upload(const Batch& batch, const Hidden& hidden) {
    StepUpload arrays(hidden.integers);
    Step step;
    int32_t* tokens = arrays.add(batch.tokens);
    step.tokens = tokens;
    step.logitRows = arrays.add(batch.logitRows);
    step.logitCount = static_cast<int>(batch.logitRows.size());
    step.rows.rows = batch.rows;
    step.rows.sequences = batch.sequences();
    step.rows.positions = arrays.add(batch.positions);
    step.rows.rowStart = arrays.add(batch.rowStart);
    step.rows.contextLength = arrays.add(batch.contextLength);
    for (int s = 0; s < batch.sequences(); ++s) {
        const auto at = static_cast<size_t>(s);
        step.rows.maxRowsPerSequence =
            std::max(step.rows.maxRowsPerSequence, batch.rowStart[at + 1] - batch.rowStart[at]);
        step.rows.maxContextLength = std::max(step.rows.maxContextLength, batch.contextLength[at]);
    }
    size_t room = 0;
    if (isRepeatable(batch)) {
        // Few different bounds and fixed places, so that steps of one shape are the same work.
        step.rows.maxContextLength = contextBound(step.rows.maxContextLength, limits_.maxContext);
        step.rows.maxRowsPerSequence =
            static_cast<int>(std::bit_ceil(static_cast<unsigned>(step.rows.maxRowsPerSequence)));
        room = static_cast<size_t>(batch.sequences()) *
               static_cast<size_t>((step.rows.maxContextLength + 15) / 16);
    }
    for (const Batch::Group& group : batch.groups) {
        kernels::BlockTables& tables = step.tables.emplace_back();
        tables.start = arrays.add(group.tableStart);
        tables.slots = arrays.add(group.slots);
        tables.blocks = arrays.add(group.blocks, room);
    }
    if (!arrays.fits()) throw std::logic_error("a batch larger than the transformer's limits");
    arrays.send(ops_);
    for (const Batch::DeviceTokens& known : batch.deviceTokens)
        ops_.copy(tokens + known.row, known.ids, static_cast<size_t>(known.count) * sizeof(int32_t));
    return step;
}

uint64_t DenseTransformer::repeatKey(const Batch& batch, const Step& step,
                                     std::span<KvBlockPool> pools) const {
    uint64_t key = 0xCBF29CE484222325U;  // FNV-1a over words
    const auto mix = [&key](uint64_t value) { key = (key ^ value) * 0x100000001B3U; };
    mix(instance_);
    mix(static_cast<uint64_t>(batch.rows.decode));
    mix(static_cast<uint64_t>(batch.sequences()));
    mix(batch.logitRows.size());
    mix(static_cast<uint64_t>(step.rows.maxRowsPerSequence));
    mix(static_cast<uint64_t>(step.rows.maxContextLength));
    for (const KvBlockPool& pool : pools) {
        mix(reinterpret_cast<uintptr_t>(pool.layer(0).base));
        mix(static_cast<uint64_t>(pool.totalBlocks()));
    }
    return key;
}

float* DenseTransformer::forward(const Batch& batch, std::span<KvBlockPool> pools) {
    const Step step = upload(batch, hidden_);
    const auto compute = [&] {
        embed(hidden_, step);
        runLayers(hidden_, step, 0, layers_.size(), pools);
        runHead(hidden_, step);
    };
    if (isRepeatable(batch))
        ops_.repeat(repeatKey(batch, step, pools), compute);
    else
        compute();
    return logits_.as<float>();
}

void DenseTransformer::begin(const Batch& batch) {
    begun_ = upload(batch, begunHidden_);
    nextLayer_ = 0;
    embed(begunHidden_, begun_);
}

float* DenseTransformer::advance(int layers, std::span<KvBlockPool> pools) {
    const size_t end = std::min(layers_.size(), nextLayer_ + static_cast<size_t>(layers));
    runLayers(begunHidden_, begun_, nextLayer_, end, pools);
    nextLayer_ = end;
    if (end < layers_.size()) return nullptr;
    runHead(begunHidden_, begun_);
    return logits_.as<float>();
}

void DenseTransformer::embed(const Hidden& hidden, const Step& step) {
    const int rows = step.rows.rows.total();
    ops_.embed(hidden.residual.as<float>(), *embedding_, step.tokens, config_.embeddingScale, rows);
    for (size_t rope = 0; rope < ropes_.size(); ++rope)
        ops_.rotations(hidden.rotations[rope].as<float>(), ropes_[rope].rope, step.rows.positions, rows);
    ops_.addNorm(*hidden.input, hidden.residual.as<float>(), nullptr, nullptr,
                 layers_.front().attentionNorm.as<float>(), config_.normEpsilon, rows, config_.embedding);
}

/// Layers [first, end). Each leaves the input of what comes next, the following layer or the head.
void DenseTransformer::runLayers(const Hidden& hidden, const Step& step, size_t first, size_t end,
                                 std::span<KvBlockPool> pools) {
    for (size_t index = first; index < end; ++index) {
        const Layer& layer = layers_[index];
        attentionBlock(layer, hidden, step, pools[static_cast<size_t>(layer.group)]);
        feedForwardBlock(layer, hidden, step,
                         index + 1 < layers_.size() ? layers_[index + 1].attentionNorm : outputNorm_);
    }
}

void DenseTransformer::runHead(const Hidden& hidden, const Step& step) {
    if (step.logitCount == 0) return;
    ops_.gatherRows(*picked_, *hidden.input, step.logitRows, step.logitCount);
    const kernels::Projection head{(head_ ? head_ : embedding_).get(), logits_.as<float>(),
                                   config_.vocabulary, nullptr};
    ops_.matmul({&head, 1}, *picked_, {step.logitCount, 0});
}

void DenseTransformer::attentionBlock(const Layer& layer, const Hidden& hidden, const Step& step,
                                      const KvBlockPool& pool) {
    const int stride = queryWidth() + keyWidth() + valueWidth();
    float* query = projected_.as<float>();
    float *key = query + queryWidth(), *value = key + keyWidth();
    const kernels::Projection products[] = {{layer.query.get(), query, stride, layer.queryBias.as<float>()},
                                            {layer.key.get(), key, stride, layer.keyBias.as<float>()},
                                            {layer.value.get(), value, stride, layer.valueBias.as<float>()}};
    ops_.matmul(products, *hidden.input, step.rows.rows);
    const kernels::KvLayer kv = pool.layer(layer.indexInGroup);
    const kernels::BlockTables& tables = step.tables[static_cast<size_t>(layer.group)];
    kernels::RopeStore store;
    store.query = query;
    store.key = key;
    store.value = value;
    store.queryStride = store.keyStride = store.valueStride = stride;
    store.numHeads = config_.numHeads;
    store.queryNorm = layer.queryNorm.as<float>();
    store.keyNorm = layer.keyNorm.as<float>();
    store.normEpsilon = config_.normEpsilon;
    const kernels::Rope& rope = ropes_[layer.rope].rope;
    store.pairs = rope.pairs;
    store.dimensions = rope.dimensions;
    store.rotations = hidden.rotations[layer.rope].as<float>();
    const kernels::AttentionShape shape{config_.numHeads, config_.attentionScale, pool.layout().window,
                                        config_.attentionSoftcap};
    ops_.ropeAttention(*attended_, store, kv, step.rows, tables, shape);
    endBranch(*layer.output, *attended_, layer.postAttentionNorm, layer.feedForwardNorm, hidden, step);
}

void DenseTransformer::feedForwardBlock(const Layer& layer, const Hidden& hidden, const Step& step,
                                        const DeviceBuffer& nextNorm) {
    ops_.gatedFfn(*gated_, *layer.gate, *layer.up, *hidden.input, config_.gate, gates_.as<float>(),
                  step.rows.rows);
    endBranch(*layer.down, *gated_, layer.postFeedForwardNorm, nextNorm, hidden, step);
}

void DenseTransformer::endBranch(const Weight& weight, const Activations& in, const DeviceBuffer& branchNorm,
                                 const DeviceBuffer& nextNorm, const Hidden& hidden, const Step& step) {
    const kernels::Projection projection{&weight, branch_.as<float>(), config_.embedding, nullptr};
    ops_.projectAddNorm(*hidden.input, hidden.residual.as<float>(), projection, in, branchNorm.as<float>(),
                        nextNorm.as<float>(), config_.normEpsilon, step.rows.rows);
}

}  // namespace

size_t Transformer::workspaceBytes(const ModelConfig& config, const TransformerLimits& limits,
                                   const kernels::Ops& ops) {
    const ScratchBytes bytes(config, limits);
    const auto activations = [&](int rows, int width) { return ops.activationBytes(rows, width); };
    return ops.bufferBytes(bytes.projected) + ops.bufferBytes(bytes.gates) + ops.bufferBytes(bytes.logits) +
           ops.bufferBytes(bytes.embedded) +
           2 * (ops.bufferBytes(bytes.embedded) + countRopes(config) * ops.bufferBytes(bytes.rotations) +
                activations(limits.maxRows, config.embedding) + ops.bufferBytes(bytes.integers)) +
           activations(limits.maxRows, config.numHeads * config.valueDim) +
           activations(limits.maxRows, config.feedForward) +
           activations(limits.maxLogitRows, config.embedding) +
           ops.workspaceBytes(stepBounds(config, limits));
}

Result<std::unique_ptr<Transformer>> Transformer::load(const GgufFile& file, const ModelConfig& config,
                                                       kernels::Ops& ops, const TransformerLimits& limits,
                                                       const LoadProgress& progress) {
    auto transformer = std::make_unique<DenseTransformer>(config, ops, limits);
    try {
        if (auto problem = transformer->load(file, progress)) return tl::unexpected<Error>(*problem);
    } catch (const kernels::OutOfDeviceMemory& shortage) {
        return fail(ErrorCode::OutOfMemory, "{}: {}", file.path().string(), shortage.what());
    }
    return transformer;
}

}  // namespace engine
