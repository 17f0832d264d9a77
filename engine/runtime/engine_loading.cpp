#include <algorithm>
#include <iterator>

#include "engine/durations.h"
#include "engine/runtime/device.h"
#include "engine/runtime/layer_costs.h"
#include "engine/runtime/local_engine.h"
#include "engine/runtime/memory_plan.h"
#include "engine/runtime/model_fingerprint.h"
#include "engine/runtime/transfer_costs.h"

/// LocalEngine: from a file to something that can step.
namespace engine {

Result<std::unique_ptr<Engine>> LocalEngine::load(const EngineOptions& options, const LoadProgress& progress,
                                                  Clock clock) {
    auto file = GgufFile::open(options.model);
    if (!file) return tl::unexpected<Error>(file.error());
    std::unique_ptr<LocalEngine> engine(new LocalEngine(std::move(*file)));
    engine->clock_ =
        clock ? std::move(clock) : [] { return std::chrono::steady_clock::now().time_since_epoch(); };
    if (auto built = engine->tryToBuild(options, progress); !built) {
        Error error = built.error();
        const bool isFull = error.code == ErrorCode::OutOfMemory && engine->ops_ != nullptr &&
                            engine->ops_->info().kind == "cuda";
        if (isFull && error.message.find("--device cpu") == std::string::npos)
            error.message += "; or choose the CPU (--device cpu)";
        return tl::unexpected<Error>(std::move(error));
    }
    return engine;
}

/// A device that fails is an error too.
Result<void> LocalEngine::tryToBuild(const EngineOptions& options, const LoadProgress& progress) {
    try {
        return build(options, progress);
    } catch (const kernels::OutOfDeviceMemory& shortage) {
        return fail(ErrorCode::OutOfMemory, "{}: {}", options.model.string(), shortage.what());
    } catch (const std::runtime_error& problem) {
        return fail(ErrorCode::Internal,
                    "{}: the device failed while loading ({}); try again, or choose the CPU (--device cpu)",
                    options.model.string(), problem.what());
    }
}

Result<void> LocalEngine::build(const EngineOptions& options, const LoadProgress& progress) {
    const auto start = std::chrono::steady_clock::now();
    auto config = ModelConfig::read(file_);
    if (!config) return tl::unexpected<Error>(config.error());
    config_ = std::move(*config);
    auto tokenizer = Tokenizer::load(file_);
    if (!tokenizer) return tl::unexpected<Error>(tokenizer.error());
    tokenizer_ = std::move(*tokenizer);
    std::shared_ptr<const ChatTemplate> chatTemplate;
    if (const auto source = file_.string("tokenizer.chat_template")) {
        auto parsed = ChatTemplate::parse(std::string(*source));
        if (!parsed)
            return fail(parsed.error().code, "{}: {}", options.model.string(), parsed.error().message);
        promptsDependOnDate_ = source->find("strftime_now") != std::string_view::npos;
        chatTemplate = std::make_shared<const ChatTemplate>(std::move(*parsed));
    }
    prompts_ = std::make_unique<PromptBuilder>(tokenizer_, chatTemplate);

    auto ops = openDevice(options.device, options.threads, options.compute);
    if (!ops) return tl::unexpected<Error>(ops.error());
    ops_ = options.wrapDevice ? options.wrapDevice(std::move(*ops)) : std::move(*ops);
    const KvType kvType = options.compute == ComputeChoice::Float ? KvType::F32 : options.kvType;
    if ((kvType == KvType::Q8_0 || kvType == KvType::Q4_0) &&
        (config_.keyDim % 32 != 0 || config_.valueDim % 32 != 0))
        return fail(ErrorCode::Unsupported,
                    "--kv-type q8_0 and q4_0 need heads of a multiple of 32 values, but this model's have "
                    "{}; use f16",
                    config_.keyDim);
    const KvLayout layout = KvLayout::of(config_, kvType);
    limits_.maxLogitRows = options.maxLogitRows;
    const kernels::DeviceInfo device = ops_->info();
    // A GPU unpacks each weight once a chunk, so its chunks are longer.
    limits_.maxRows = options.maxRows > 0 ? options.maxRows : device.kind == "cuda" ? 2048 : 512;
    deviceName_ = fmt::format("{}: {}", device.kind, device.name);
    const MemoryPlan plan =
        planMemory(file_, config_, layout, limits_, {options.contextTokens, options.kvBytes}, *ops_);
    if (!plan.fits) return fail(ErrorCode::OutOfMemory, "{} {}", options.model.string(), plan.explain());
    limits_.maxContext = plan.contextTokens;
    plannedBytes_ = plan.total();

    const auto beforeWeights = std::chrono::steady_clock::now();
    auto transformer = Transformer::load(file_, config_, *ops_, limits_, progress);
    if (!transformer) return tl::unexpected<Error>(transformer.error());
    transformer_ = std::move(*transformer);
    ops_->synchronize();
    weightsMillis_ = inMillis(std::chrono::steady_clock::now() - beforeWeights);
    pools_.reserve(layout.groups.size());
    const size_t perToken = layout.bytesPerToken();
    for (const KvGroupLayout& group : layout.groups) {
        // Every group gets the blocks of the same number of tokens.
        const size_t tokens = plan.kv / perToken;
        pools_.emplace_back(
            *ops_, group,
            static_cast<int>(std::max<size_t>(1, tokens / static_cast<size_t>(group.blockTokens))));
    }
    const LayerCosts costs = measureLayerCosts(*transformer_, pools_, *ops_, limits_, clock_);
    if (options.prefixCache) buildCache(options, kvType);
    SchedulerLimits limits;
    limits.maxRows = limits_.maxRows;
    limits.maxSequences = std::min(limits_.maxSequences, limits_.maxLogitRows);
    limits.maxLogitRows = limits_.maxLogitRows;
    limits.layers = config_.layers;
    limits.leastRows =
        device.kind == "cuda" ? 64 : 16;  // a card's tile of prompt rows costs the same half empty
    limits.prefillMicros = options.prefillMicros;
    limits.prefillShare = options.prefillShare;
    scheduler_ =
        std::make_unique<Scheduler>(std::span(pools_), cache_.get(), limits, makePolicy(options.policy));
    scheduler_->setLayerCosts(costs);
    model_ = {config_.name,          config_.architectureName, limits_.maxContext,
              config_.contextLength, chatTemplate != nullptr,  tokenizer_->vocabularyHash()};
    if (auto built = buildSpeculator(options, kvType, progress); !built) return built;
    if (ops_->runsAhead())
        for (Draws& draws : draws_) {
            const size_t bytes = static_cast<size_t>(limits_.maxLogitRows) * sizeof(int32_t);
            draws = {ops_->allocateHost(bytes), ops_->allocate(bytes)};
        }
    loadMillis_ = inMillis(std::chrono::steady_clock::now() - start);
    peakBytes_ = ops_->peakBytes();
    publishStats();
    return {};
}

/// Everything besides its tokens that a block's KV depends on.
uint64_t LocalEngine::namespaceOf(const EngineOptions& options, KvType kvType) const {
    constexpr int kKernelVersion = 5;  // raise it when a kernel's results change
    const kernels::DeviceInfo device = ops_->info();
    // The CPU's name ends in its instruction set; threads change nothing.
    const std::string instructions =
        device.name.substr(std::min(device.name.size(), device.name.rfind(',') + 1));
    std::string all =
        fmt::format("{:016x} {} {} {} {} {}", modelFingerprint(file_), static_cast<int>(kvType),
                    static_cast<int>(options.compute), device.kind, instructions, kKernelVersion);
    // Metadata that changes what tensors mean.
    fmt::format_to(std::back_inserter(all), " {} {} {} {} {} {} {} {} {} {}", config_.normEpsilon,
                   config_.embeddingScale, config_.attentionScale, config_.attentionSoftcap,
                   config_.ropeScale, config_.ropeOriginalContext, config_.yarnExtFactor,
                   config_.yarnAttnFactor, config_.yarnBetaFast, config_.yarnBetaSlow);
    for (const LayerAttention& layer : config_.attention)
        fmt::format_to(std::back_inserter(all), " {}/{}/{}", layer.window, layer.ropeBase, layer.scaledRope);
    return BlockKey::ofText(all).low;
}

void LocalEngine::buildCache(const EngineOptions& options, KvType kvType) {
    space_ = namespaceOf(options, kvType);
    saveAtEnd_ = options.saveAtEnd;
    std::unique_ptr<HostTier> host;
    std::unique_ptr<DiskTier> disk;
    if (options.hostCacheBytes > 0) host = std::make_unique<HostTier>(options.hostCacheBytes);
    if (!options.diskCache.empty())
        disk = std::make_unique<DiskTier>(options.diskCache, space_, options.diskCacheBytes);
    if (host != nullptr || disk != nullptr) {
        // Only a card has a detour to spare.
        auto arena = ops_->runsAhead() ? std::make_unique<HostArena>(*ops_) : nullptr;
        tiers_ = std::make_unique<TierStack>(std::move(host), std::move(disk), std::move(arena));
        tiers_->setCosts(measureTransfers(*ops_, pools_, *tiers_));
    }
    cache_ = std::make_unique<RadixCache>(*ops_, std::span(pools_), tiers_.get());
}

}  // namespace engine
