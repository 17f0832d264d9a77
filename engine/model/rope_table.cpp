#include "engine/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace engine {
namespace {

/// The dimension pair that turns `rotations` times over the original context.
double pairOfRotations(const ModelConfig& config, double base, double rotations) {
    return config.ropeDimensions *
           std::log(config.ropeOriginalContext / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(base));
}

}  // namespace

RopeTable makeRopeTable(const ModelConfig& config, float base, bool scaled, std::span<const float> factors) {
    RopeTable table;
    const int pairs = config.ropeDimensions / 2;
    table.inverseFrequency.resize(static_cast<size_t>(pairs));
    const bool yarn = scaled && config.ropeScaling == RopeScaling::Yarn;
    double low = 0.0, high = 0.0;
    if (yarn) {
        low = std::max(0.0, std::floor(pairOfRotations(config, static_cast<double>(base),
                                                       static_cast<double>(config.yarnBetaFast))));
        high = std::min(config.ropeDimensions - 1.0,
                        std::ceil(pairOfRotations(config, static_cast<double>(base),
                                                  static_cast<double>(config.yarnBetaSlow))));
        table.magnitude = config.yarnAttnFactor *
                          (config.yarnExtFactor != 0.0F ? 1.0F + 0.1F * std::log(config.ropeScale) : 1.0F);
    }
    for (int i = 0; i < pairs; ++i) {
        double frequency = std::pow(static_cast<double>(base), -2.0 * i / config.ropeDimensions);
        if (scaled && !factors.empty()) frequency /= static_cast<double>(factors[static_cast<size_t>(i)]);
        if (scaled && config.ropeScaling == RopeScaling::Linear)
            frequency /= static_cast<double>(config.ropeScale);
        if (yarn) {
            const double ramp = 1.0 - std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0);
            const double keep = ramp * static_cast<double>(config.yarnExtFactor);
            frequency = frequency / static_cast<double>(config.ropeScale) * (1.0 - keep) + frequency * keep;
        }
        table.inverseFrequency[static_cast<size_t>(i)] = static_cast<float>(frequency);
    }
    return table;
}

}  // namespace engine
