#include "engine/speculate/step_costs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/durations.h"
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

/// What an observation multiplies a cost with: a tenth of the way, and one disturbed step must not count for
/// more than a moderate change.
double StepCosts::change(int rows, double micros) const {
    if (rows < 1 || micros <= 0.0 || !isKnown()) return 1.0;
    return 1.0 + (std::clamp(micros / this->micros(rows), 0.5, 2.0) - 1.0) * 0.1;
}

void StepCosts::observePlain(int rows, double micros) {
    const double factor = change(rows, micros);
    for (double& cost : micros_) cost *= factor;
}

void StepCosts::observeVerify(int rows, int plainRows, double micros) {
    const double factor = change(rows, micros);
    for (size_t i = 0; i < kRows.size(); ++i) {
        if (kRows[i] <= plainRows) continue;
        const bool isNear = (i == 0 || kRows[i - 1] < rows || i + 1 == kRows.size()) &&
                            (i + 1 == kRows.size() || kRows[i + 1] > rows);
        micros_[i] *= isNear ? factor : std::sqrt(factor);
    }
    // More rows are never cheaper: what was seen moves those that it contradicts.
    if (factor > 1.0)
        for (size_t i = 1; i < kRows.size(); ++i) micros_[i] = std::max(micros_[i], micros_[i - 1]);
    else
        for (size_t i = kRows.size() - 1; i > 0; --i) micros_[i - 1] = std::min(micros_[i - 1], micros_[i]);
}

bool StepCosts::isUsual(int rows) {
    return rows % 4 == 0 || std::ranges::find(kRows, rows) != kRows.end();
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
        return inMicros(clock() - start);
    };
    // The largest first: its rows fill what the smaller ones see, and memory gets warm.
    run(StepCosts::kRows.back());
    std::array<double, StepCosts::kRows.size()> micros{};
    for (size_t i = 0; i < micros.size(); ++i) {
        // A device that records steps replays them from the third time on; a slow one is measured at once.
        constexpr double kEnough = 30'000.0;
        double spent = 0.0;
        for (int count = 0; count < 5 && (count < 2 ? spent < 2.0 * kEnough : spent < kEnough); ++count) {
            const double took = run(StepCosts::kRows[i]);
            micros[i] = count == 0 ? took : std::min(micros[i], took);
            spent += took;
        }
    }
    costs.set(micros);
    return costs;
}

}  // namespace engine
