#include "engine/runtime/layer_costs.h"

#include <algorithm>

#include "engine/durations.h"
#include "engine/kv/block_table.h"

namespace engine {
namespace {

/// `rows` prompt rows after `depth` tokens. The tables name the same few blocks again and again: what
/// attention reads costs the same whatever it says.
Batch promptBatch(int rows, int depth, std::span<const BlockTable> tables) {
    Batch batch;
    batch.rows.prefill = rows;
    batch.rowStart = {0, rows};
    batch.contextLength = {depth + rows};
    for (int row = 0; row < rows; ++row) {
        batch.tokens.push_back(row % 2);
        batch.positions.push_back(depth + row);
    }
    for (const BlockTable& table : tables) {
        Batch::Group& group = batch.groups.emplace_back();
        const int entries = (depth + rows + table.blockTokens() - 1) / table.blockTokens();
        for (int entry = 0; entry < entries; ++entry)
            group.blocks.push_back(table.blocks()[static_cast<size_t>(entry) % table.blocks().size()]);
        group.tableStart = {0, entries};
        for (int row = 0; row < rows; ++row) group.slots.push_back(table.slot(row));
    }
    return batch;
}

/// The first layers, the first that sees everything included: their mean stands for all.
int layersToRun(const ModelConfig& config) {
    int layers = 0;
    while (layers < config.layers && config.attention[static_cast<size_t>(layers)].window > 0) ++layers;
    return std::clamp(layers + 1, std::min(2, config.layers), config.layers);
}

}  // namespace

LayerCosts measureLayerCosts(Transformer& transformer, std::span<KvBlockPool> pools, kernels::Ops& ops,
                             const TransformerLimits& limits,
                             const std::function<std::chrono::nanoseconds()>& clock) {
    // A card computes hundreds of rows in little more than the time of a few, unless they are very few.
    const int least = std::min(16, limits.maxRows), cheap = std::min(ops.fewPromptRows(), limits.maxRows),
              few = std::max(least, std::min(cheap + 1, limits.maxRows)),
              many = std::min(ops.runsAhead() ? 512 : 64, limits.maxRows);
    const int deep = std::min(ops.runsAhead() ? 16384 : 2048, limits.maxContext - many);
    LayerCosts costs;
    if (many <= few || deep < 64) return costs;
    std::vector<BlockTable> tables;
    for (KvBlockPool& pool : pools)
        if (!tables.emplace_back(pool).reserve(many, 0)) return costs;
    const int layers = layersToRun(transformer.config());
    const auto micros = [&](int rows, int depth) {
        double best = 0.0;
        for (int count = 0; count < 2; ++count) {  // the first one warms up
            transformer.begin(promptBatch(rows, depth, tables));
            ops.synchronize();
            const auto start = clock();
            transformer.advance(layers, pools);
            ops.synchronize();
            const double took = inMicros(clock() - start) / layers;
            best = count == 0 ? took : std::min(best, took);
        }
        return best;
    };
    const double manyNear = micros(many, 0), fewNear = micros(few, 0), fewDeep = micros(few, deep),
                 manyDeep = micros(many, deep);
    costs.row = std::max(0.0, (manyNear - fewNear) / (many - few));
    costs.fixed = std::max(0.0, fewNear - costs.row * few);
    const double ofDepth = std::max(0.0, fewDeep - fewNear), ofManyRows = std::max(0.0, manyDeep - manyNear);
    costs.rowToken = std::max(0.0, (ofManyRows - ofDepth) / (many - few) / deep);
    costs.token = std::max(0.0, ofDepth / deep - costs.rowToken * few);
    if (cheap <= least) return costs;
    const double leastNear = micros(least, 0), cheapNear = micros(cheap, 0);
    costs.fewRows = cheap;
    costs.fewRow = std::max(0.0, (cheapNear - leastNear) / (cheap - least));
    costs.few = std::max(0.0, leastNear - costs.fewRow * least);
    return costs;
}

}  // namespace engine
