#pragma once

#include <algorithm>
#include <vector>

namespace engine {

/// The last few measurements of something, in milliseconds. One thread.
class LatencyLog {
  public:
    explicit LatencyLog(size_t capacity) : capacity_(capacity) {}
    void add(double millis) {
        if (values_.size() < capacity_)
            values_.push_back(millis);
        else
            values_[next_] = millis;
        next_ = (next_ + 1) % capacity_;
    }
    /// 0 when there is none. `share` 0.99 is the value that 99 % are at most. Linear.
    double percentile(double share) const {
        if (values_.empty()) return 0.0;
        std::vector<double> sorted = values_;
        const size_t at =
            std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())));
        std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at), sorted.end());
        return sorted[at];
    }
    double mean() const {
        double sum = 0.0;
        for (const double value : values_) sum += value;
        return values_.empty() ? 0.0 : sum / static_cast<double>(values_.size());
    }

  private:
    size_t capacity_, next_ = 0;
    std::vector<double> values_;
};

}  // namespace engine
