#pragma once

#include <algorithm>

namespace engine {

/// A running estimate of how often a drafted token stands when those before it do. Old trials fade, so that a
/// reply which turns from prose to a quotation is noticed.
class Acceptance {
  public:
    void add(bool stood) {
        constexpr double kFade = 0.97;
        stood_ = stood_ * kFade + (stood ? 1.0 : 0.0);
        trials_ = trials_ * kFade + 1.0;
    }
    /// `prior` counts as kPriorTrials trials.
    double estimate(double prior) const {
        constexpr double kPriorTrials = 4.0;
        return std::min(0.995, (stood_ + prior * kPriorTrials) / (trials_ + kPriorTrials));
    }

  private:
    double stood_ = 0.0, trials_ = 0.0;
};

}  // namespace engine
