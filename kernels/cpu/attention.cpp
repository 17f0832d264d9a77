#include "kernels/cpu/attention.h"

#include <algorithm>
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

/// Adds tokens [begin, end) of a block, whose K and V rows are at `keys` and `values` as floats, to one row
/// and head.
void addBlock(const Context& c, const float* query, float* sums, Running& running, const float* keys,
              const float* values, int begin, int end) {
    float scores[64];
    float largest = running.largest;
    for (int t = begin; t < end; ++t) {
        float score = c.simd.dot(query, keys + static_cast<size_t>(t) * static_cast<size_t>(c.layer.keyDim),
                                 static_cast<size_t>(c.layer.keyDim)) *
                      c.shape.scale;
        if (c.shape.softcap > 0.0F) score = c.shape.softcap * std::tanh(score / c.shape.softcap);
        scores[t] = score;
        largest = std::max(largest, score);
    }
    const auto valueDim = static_cast<size_t>(c.layer.valueDim);
    if (largest > running.largest && running.total > 0.0F) {
        const float keep = std::exp(running.largest - largest);
        for (size_t k = 0; k < valueDim; ++k) sums[k] *= keep;
        running.total *= keep;
    }
    running.largest = largest;
    for (int t = begin; t < end; ++t) {
        const float weight = std::exp(scores[t] - largest);
        running.total += weight;
        c.simd.addScaled(sums, weight, values + static_cast<size_t>(t) * valueDim, valueDim);
    }
}

/// All of a run's rows and of a KV head's query heads.
void attendRun(const Context& c, const RowRun& run, int kvHead) {
    const KvLayer& layer = c.layer;
    const int group = c.shape.numHeads / layer.numKvHeads;
    const auto keyDim = static_cast<size_t>(layer.keyDim), valueDim = static_cast<size_t>(layer.valueDim);
    const auto blockTokens = static_cast<size_t>(layer.blockTokens);
    std::vector<float> converted(blockTokens * (keyDim + valueDim));
    float *keys = converted.data(), *values = keys + blockTokens * keyDim;
    std::vector<Running> running(static_cast<size_t>(run.count * group));
    for (int r = 0; r < run.count; ++r)
        std::fill_n(c.out.floats(run.first + r) + static_cast<size_t>(kvHead * group) * valueDim,
                    static_cast<size_t>(group) * valueDim, 0.0F);

    const auto firstSeen = [&](int position) {
        return c.shape.window > 0 ? std::max(0, position + 1 - c.shape.window) : 0;
    };
    const int last = c.rows.positions[run.first + run.count - 1];
    for (int block = firstSeen(c.rows.positions[run.first]) / layer.blockTokens;
         block <= last / layer.blockTokens; ++block) {
        const int id = c.tables.blocks[c.tables.start[run.sequence] + block];
        const int firstToken = block * layer.blockTokens,
                  count = std::min(layer.blockTokens, last + 1 - firstToken);
        const std::byte* base = layer.base + static_cast<size_t>(id) * layer.blockBytes();
        const std::byte* valueBase =
            base + static_cast<size_t>(layer.numKvHeads) * blockTokens * layer.keyRowBytes();
        for (int t = 0; t < count; ++t) {
            const size_t index = static_cast<size_t>(kvHead) * blockTokens + static_cast<size_t>(t);
            loadKvRow(keys + static_cast<size_t>(t) * keyDim, base + index * layer.keyRowBytes(), layer.type,
                      layer.keyDim, c.simd);
            loadKvRow(values + static_cast<size_t>(t) * valueDim, valueBase + index * layer.valueRowBytes(),
                      layer.type, layer.valueDim, c.simd);
        }
        for (int r = 0; r < run.count; ++r) {
            const int row = run.first + r, position = c.rows.positions[row];
            const int begin = std::max(0, firstSeen(position) - firstToken),
                      end = std::min(count, position + 1 - firstToken);
            if (begin >= end) continue;
            for (int h = 0; h < group; ++h) {
                const auto head = static_cast<size_t>(kvHead * group + h);
                addBlock(
                    c,
                    c.query + static_cast<size_t>(row) * static_cast<size_t>(c.queryStride) + head * keyDim,
                    c.out.floats(row) + head * valueDim, running[static_cast<size_t>(r * group + h)], keys,
                    values, begin, end);
            }
        }
    }
    for (int r = 0; r < run.count; ++r)
        for (int h = 0; h < group; ++h) {
            float* sums = c.out.floats(run.first + r) + static_cast<size_t>(kvHead * group + h) * valueDim;
            const float inverse = 1.0F / running[static_cast<size_t>(r * group + h)].total;
            for (size_t k = 0; k < valueDim; ++k) sums[k] *= inverse;
        }
}

}  // namespace

void attend(CpuActivations& out, const float* query, int queryStride, const KvLayer& layer,
            const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
            const SimdKernels& simd, ThreadPool& pool) {
    const Context context{out, query, queryStride, layer, rows, tables, shape, simd};
    const std::vector<RowRun> runs = splitRows(rows);
    pool.run(static_cast<int>(runs.size()) * layer.numKvHeads, [&](int part) {
        attendRun(context, runs[static_cast<size_t>(part / layer.numKvHeads)], part % layer.numKvHeads);
    });
}

}  // namespace kernels::detail
