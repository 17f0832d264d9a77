#pragma once

#include <algorithm>
#include <cmath>

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

    /// What the chance hardly is below (Wilson's bound at 1.5 deviations), by these trials and at most
    /// `mostBefore` of `before`; 0 without any.
    double atLeast(const Acceptance& before, double mostBefore = 8.0) const {
        constexpr double kSquaredDeviations = 2.25;
        const double taken = std::min(before.trials_, mostBefore), count = trials_ + taken;
        if (count <= 0.0) return 0.0;
        const double stood = stood_ + (taken > 0.0 ? taken * before.stood_ / before.trials_ : 0.0);
        const double share = stood / count, spread = kSquaredDeviations / count;
        const double low = share + spread / 2.0 - std::sqrt(spread * (share * (1.0 - share) + spread / 4.0));
        return std::max(0.0, low / (1.0 + spread));
    }

  private:
    double fade_, stood_ = 0.0, trials_ = 0.0;
};

}  // namespace engine
