#include "engine/schedule/cost_model.h"

#include <algorithm>

namespace engine {
namespace {

/// A tenth of the news, and at most four times what was known, so that one hiccup does not count for much.
void follow(double& average, double value) {
    average = average == 0.0 ? value : average + 0.1 * (std::min(value, 4.0 * average) - average);
}

}  // namespace

void CostModel::observe(int decodeRows, int prefillRows, std::chrono::nanoseconds took) {
    const double micros = std::chrono::duration<double, std::micro>(took).count();
    if (micros <= 0.0) return;
    if (prefillRows == 0) {
        if (decodeRows > 0) follow(decodeStep_[static_cast<size_t>(std::min(decodeRows, kMostRows))], micros);
        return;
    }
    const double rows = std::max(micros - decodeStepMicros(decodeRows), micros * 0.1);
    if (decodeRows == 0 || decodeStepMicros(decodeRows) > 0.0) follow(prefillRow_, rows / prefillRows);
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
