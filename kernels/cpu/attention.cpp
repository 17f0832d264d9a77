#include "kernels/cpu/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace kernels::detail {
namespace {

constexpr int kRowsPerPart = 16;

/// A run of rows of one sequence.
struct RowRun {
    int sequence, first, count;
};

std::vector<RowRun> splitRows(const StepRows& rows) {
    std::vector<RowRun> runs;
    for (int s = 0; s < rows.sequences; ++s)
        for (int first = rows.rowStart[s]; first < rows.rowStart[s + 1]; first += kRowsPerPart)
            runs.push_back({s, first, std::min(kRowsPerPart, rows.rowStart[s + 1] - first)});
    return runs;
}

/// The running softmax of one (row, head).
struct Running {
    float largest = -INFINITY;
    float total = 0.0F;
};

struct Context {
    CpuActivations& out;
    const float* query;
    int queryStride;
    const KvLayer& layer;
    const StepRows& rows;
    const BlockTables& tables;
    const AttentionShape& shape;
    const SimdKernels& simd;
};

constexpr int kTokens = 16;  ///< tokens a vector holds

/// Sixteen tokens of a KV head as floats, laid out for the vector unit. Tokens that are not there are zeros.
struct TokenTile {
    TokenTile(int keyDim, int valueDim)
        : valueWidth((valueDim + 15) / 16 * 16),
          keys(static_cast<size_t>(keyDim) * kTokens),
          values(static_cast<size_t>(valueWidth) * kTokens),
          row(static_cast<size_t>(keyDim)) {}
    int valueWidth;
    std::vector<float> keys;    ///< [keyDim, 16]
    std::vector<float> values;  ///< [16, valueWidth]
    std::vector<float> row;
};

/// Tokens first .. first + count - 1 of block `id`.
void loadTile(const Context& c, TokenTile& tile, int id, int kvHead, int first, int count) {
    const KvLayer& layer = c.layer;
    const auto blockTokens = static_cast<size_t>(layer.blockTokens);
    const std::byte* base = layer.base + static_cast<size_t>(id) * layer.blockBytes();
    const std::byte* valueBase =
        base + static_cast<size_t>(layer.numKvHeads) * blockTokens * layer.keyRowBytes();
    for (int t = 0; t < kTokens; ++t) {
        float* value = tile.values.data() + static_cast<size_t>(t) * static_cast<size_t>(tile.valueWidth);
        if (t < count) {
            const size_t index = static_cast<size_t>(kvHead) * blockTokens + static_cast<size_t>(first + t);
            loadKvRow(tile.row.data(), base + index * layer.keyRowBytes(), layer.type, layer.keyDim, c.simd);
            loadKvRow(value, valueBase + index * layer.valueRowBytes(), layer.type, layer.valueDim, c.simd);
        } else {
            std::fill(tile.row.begin(), tile.row.end(), 0.0F);
            std::fill_n(value, layer.valueDim, 0.0F);
        }
        for (size_t k = 0; k < tile.row.size(); ++k)
            tile.keys[k * kTokens + static_cast<size_t>(t)] = tile.row[k];
    }
}

/// Sum or maximum of 16 values in one fixed tree.
template <class Combine>
float reduce(const float* x, Combine combine) {
    float lanes[kTokens];
    std::copy_n(x, kTokens, lanes);
    for (int width = kTokens / 2; width > 0; width /= 2)
        for (int lane = 0; lane < width; ++lane) lanes[lane] = combine(lanes[lane], lanes[lane + width]);
    return lanes[0];
}

/// Adds a tile's tokens [begin, end) to one row and head, whose products with the keys are in `scores`.
void addTile(const Context& c, float* sums, Running& running, float* scores, const TokenTile& tile, int begin,
             int end) {
    for (int t = 0; t < kTokens; ++t) scores[t] *= c.shape.scale;
    if (c.shape.softcap > 0.0F)
        for (int t = 0; t < kTokens; ++t)
            scores[t] = c.shape.softcap * std::tanh(scores[t] / c.shape.softcap);
    for (int t = 0; t < kTokens; ++t)
        if (t < begin || t >= end) scores[t] = -INFINITY;
    const float largest =
        std::max(running.largest, reduce(scores, [](float a, float b) { return a > b ? a : b; }));
    if (largest > running.largest && running.total > 0.0F) {
        const float keep = std::exp(running.largest - largest);
        for (int k = 0; k < tile.valueWidth; ++k) sums[k] *= keep;
        running.total *= keep;
    }
    running.largest = largest;
    for (int t = 0; t < kTokens; ++t) scores[t] -= largest;
    c.simd.exponentials(scores);
    for (int t = 0; t < kTokens; ++t)
        if (t < begin || t >= end) scores[t] = 0.0F;
    running.total += reduce(scores, [](float a, float b) { return a + b; });
    c.simd.addValues(sums, scores, tile.values.data(), begin, end, tile.valueWidth);
}

/// All of a run's rows and of a KV head's query heads.
void attendRun(const Context& c, const RowRun& run, int kvHead) {
    const KvLayer& layer = c.layer;
    const int group = c.shape.numHeads / layer.numKvHeads, queryCount = run.count * group;
    TokenTile tile(layer.keyDim, layer.valueDim);
    const auto width = static_cast<size_t>(tile.valueWidth);
    std::vector<Running> running(static_cast<size_t>(queryCount));
    std::vector<float> sums(static_cast<size_t>(queryCount) * width);
    std::vector<float> scores(static_cast<size_t>(queryCount) * kTokens);
    std::vector<const float*> queries;
    for (int q = 0; q < queryCount; ++q)
        queries.push_back(
            c.query + static_cast<size_t>(run.first + q / group) * static_cast<size_t>(c.queryStride) +
            static_cast<size_t>(kvHead * group + q % group) * static_cast<size_t>(layer.keyDim));

    const int32_t* positions = c.rows.positions + run.first;
    const auto firstSeen = [&](int position) {
        return c.shape.window > 0 ? std::max(0, position + 1 - c.shape.window) : 0;
    };
    const int last = positions[run.count - 1];
    for (int first = firstSeen(positions[0]) / kTokens * kTokens; first <= last; first += kTokens) {
        const int id = c.tables.blocks[c.tables.start[run.sequence] + first / layer.blockTokens];
        loadTile(c, tile, id, kvHead, first % layer.blockTokens, std::min(kTokens, last + 1 - first));
        // Rows are ascending: those that see this tile are one run of them.
        int from = 0, to = run.count;
        while (from < to && positions[from] < first) ++from;
        while (to > from && firstSeen(positions[to - 1]) >= first + kTokens) --to;
        const int firstQuery = from * group;
        c.simd.tokenScores(scores.data(), tile.keys.data(), layer.keyDim, queries.data() + firstQuery,
                           to * group - firstQuery);
        for (int q = firstQuery; q < to * group; ++q) {
            const int position = positions[q / group];
            addTile(c, sums.data() + static_cast<size_t>(q) * width, running[static_cast<size_t>(q)],
                    scores.data() + static_cast<size_t>(q - firstQuery) * kTokens, tile,
                    std::max(0, firstSeen(position) - first), std::min(kTokens, position + 1 - first));
        }
    }
    for (int q = 0; q < queryCount; ++q) {
        float* to = c.out.floats(run.first + q / group) +
                    static_cast<size_t>(kvHead * group + q % group) * static_cast<size_t>(layer.valueDim);
        const float inverse = 1.0F / running[static_cast<size_t>(q)].total;
        for (int k = 0; k < layer.valueDim; ++k)
            to[k] = sums[static_cast<size_t>(q) * width + static_cast<size_t>(k)] * inverse;
    }
}

}  // namespace

void attend(CpuActivations& out, const float* query, int queryStride, const KvLayer& layer,
            const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
            const SimdKernels& simd, ThreadPool& pool) {
    assert(layer.blockTokens % kTokens == 0 && "a tile of 16 tokens must not cross blocks");
    const Context context{out, query, queryStride, layer, rows, tables, shape, simd};
    const std::vector<RowRun> runs = splitRows(rows);
    pool.run(static_cast<int>(runs.size()) * layer.numKvHeads, [&](int part) {
        attendRun(context, runs[static_cast<size_t>(part / layer.numKvHeads)], part % layer.numKvHeads);
    });
}

}  // namespace kernels::detail
