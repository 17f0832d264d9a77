#pragma once

#include <algorithm>

namespace engine {

/// A running estimate of how often a drafted token stands when those before it do. Old trials fade, so that a
/// reply which turns from prose to a quotation is noticed.
class Acceptance {
  public:
    explicit Acceptance(double fade = 0.97) : fade_(fade) {}
    void add(bool stood) {
        stood_ = stood_ * fade_ + (stood ? 1.0 : 0.0);
        trials_ = trials_ * fade_ + 1.0;
    }
    double trials() const { return trials_; }
    /// `prior` counts as kPriorTrials trials.
    double estimate(double prior) const {
        constexpr double kPriorTrials = 8.0;
        return std::min(0.995, (stood_ + prior * kPriorTrials) / (trials_ + kPriorTrials));
    }

  private:
    double fade_, stood_ = 0.0, trials_ = 0.0;
};

}  // namespace engine
