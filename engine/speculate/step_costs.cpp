#include "engine/speculate/step_costs.h"

#include <algorithm>
#include <vector>

#include "engine/kv/block_table.h"

namespace engine {
namespace {

/// The last `rows` tokens of a sequence of kRows.back() tokens, all of whose logits are wanted.
Batch decodeBatch(int rows, std::span<BlockTable> tables) {
    const int end = StepCosts::kRows.back(), first = end - rows;
    Batch batch;
    batch.rows.decode = rows;
    batch.rowStart = {0, rows};
    batch.contextLength = {end};
    for (int row = 0; row < rows; ++row) {
        batch.tokens.push_back(row);
        batch.positions.push_back(first + row);
        batch.logitRows.push_back(row);
    }
    for (const BlockTable& table : tables) {
        Batch::Group& group = batch.groups.emplace_back();
        group.tableStart = {0, static_cast<int32_t>(table.blocks().size())};
        group.blocks.assign(table.blocks().begin(), table.blocks().end());
        for (int row = 0; row < rows; ++row) group.slots.push_back(table.slot(first + row));
    }
    return batch;
}

}  // namespace

void StepCosts::set(const std::array<double, kRows.size()>& micros) {
    micros_ = micros;
    // More rows are never cheaper; a measurement that says so met noise.
    for (size_t i = 1; i < micros_.size(); ++i) micros_[i] = std::max(micros_[i], micros_[i - 1]);
}

void StepCosts::observe(int rows, double micros) {
    if (rows < 1 || micros <= 0.0) return;
    if (!isKnown()) return;
    // One disturbed step must not count for more than a moderate change.
    const double ratio = std::clamp(micros / this->micros(rows), 0.5, 2.0);
    constexpr double kNear = 0.1, kAll = 0.03;
    for (size_t i = 0; i < kRows.size(); ++i) {
        const bool isNear = (i == 0 || kRows[i - 1] < rows || i + 1 == kRows.size()) &&
                            (i + 1 == kRows.size() || kRows[i + 1] > rows);
        micros_[i] *= 1.0 + (ratio - 1.0) * (isNear ? kNear : kAll);
    }
    for (size_t i = 1; i < micros_.size(); ++i) micros_[i] = std::max(micros_[i], micros_[i - 1]);
}

double StepCosts::micros(int rows) const {
    if (rows <= 0) return 0.0;
    size_t upper = 1;
    while (upper + 1 < kRows.size() && kRows[upper] < rows) ++upper;
    const double slope = (micros_[upper] - micros_[upper - 1]) / (kRows[upper] - kRows[upper - 1]);
    return micros_[upper - 1] + slope * (rows - kRows[upper - 1]);
}

StepCosts measureStepCosts(Transformer& transformer, std::span<KvBlockPool> pools, kernels::Ops& ops,
                           const std::function<std::chrono::nanoseconds()>& clock) {
    StepCosts costs;
    std::vector<BlockTable> tables;
    for (KvBlockPool& pool : pools)
        if (!tables.emplace_back(pool).reserve(StepCosts::kRows.back(), 0)) return costs;
    const int vocabulary = transformer.config().vocabulary;
    const auto run = [&](int rows) {
        const auto start = clock();
        const std::vector<kernels::SamplingRow> sampling(static_cast<size_t>(rows));
        std::vector<int32_t> drawn(static_cast<size_t>(rows));
        ops.sample(transformer.forward(decodeBatch(rows, tables), pools), vocabulary, sampling, drawn);
        ops.synchronize();
        return std::chrono::duration<double, std::micro>(clock() - start).count();
    };
    // The largest first and once more: its rows fill what the smaller ones see, and memory gets warm.
    run(StepCosts::kRows.back());
    std::array<double, StepCosts::kRows.size()> micros{};
    for (size_t i = 0; i < micros.size(); ++i)
        micros[i] = std::min(run(StepCosts::kRows[i]), run(StepCosts::kRows[i]));
    costs.set(micros);
    return costs;
}

}  // namespace engine
