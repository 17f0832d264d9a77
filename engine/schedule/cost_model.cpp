#include "engine/schedule/cost_model.h"

#include <algorithm>

#include "engine/durations.h"

namespace engine {

void ChunkShape::add(int first, int count) {
    rows += count;
    depth += first;
    reach += count * (first + 0.5 * count);
}

double LayerCosts::micros(const ChunkShape& shape) const {
    const double rows = shape.rows <= fewRows ? few + fewRow * shape.rows : fixed + row * shape.rows;
    return rows + token * shape.depth + rowToken * shape.reach;
}

int LayerCosts::rowsWithin(double micros, const ChunkShape& shape, int first, int most) const {
    const auto costs = [&](int rows) {
        ChunkShape larger = shape;
        larger.add(first, rows);
        return this->micros(larger);
    };
    int low = 0, high = most;  // costs only grow with the rows
    while (low < high) {
        const int middle = low + (high - low + 1) / 2;
        if (costs(middle) <= micros)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/// A tenth of the news, and at most four times what was known, so that one hiccup does not count for much.
void CostModel::observeDecode(int rows, std::chrono::nanoseconds took) {
    if (rows <= 0 || took.count() <= 0) return;
    double& average = decodeStep_[static_cast<size_t>(std::min(rows, kMostRows))];
    const double value = inMicros(took);
    average = average == 0.0 ? value : average + 0.1 * (std::min(value, 4.0 * average) - average);
}

void CostModel::observeLayers(const ChunkShape& shape, int layers, std::chrono::nanoseconds took) {
    if (layers <= 0 || shape.rows <= 0.0 || took.count() <= 0) return;
    const double value = inMicros(took) / layers;
    if (!layer_.isKnown()) {
        layer_.row = value / shape.rows;
        return;
    }
    // The proportions are what was measured; how fast the device is just now is what steps say.
    const double factor = 1.0 + 0.1 * (std::clamp(value / layer_.micros(shape), 0.25, 4.0) - 1.0);
    for (double* cost :
         {&layer_.fixed, &layer_.row, &layer_.token, &layer_.rowToken, &layer_.few, &layer_.fewRow})
        *cost *= factor;
}

double CostModel::decodeStepMicros(int rows) const {
    if (rows <= 0) return 0.0;
    const int wanted = std::min(rows, kMostRows);
    for (int distance = 0; distance <= kMostRows; ++distance)
        for (const int at : {wanted - distance, wanted + distance})
            if (at >= 1 && at <= kMostRows && decodeStep_[static_cast<size_t>(at)] > 0.0)
                return decodeStep_[static_cast<size_t>(at)];
    return 0.0;
}

}  // namespace engine
