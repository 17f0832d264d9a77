#pragma once

#include <memory>

#include "engine/schedule/sequence.h"

namespace engine {

/// Which waiting sequence is admitted next.
class SchedulingPolicy {
  public:
    virtual ~SchedulingPolicy() = default;
    /// Whether `a` goes before `b`: a strict weak order at the time `now`.
    virtual bool before(const Sequence& a, const Sequence& b, std::chrono::nanoseconds now) const = 0;
};

/// Higher priority first, then first come, first served.
std::unique_ptr<SchedulingPolicy> makeFcfsPolicy();

}  // namespace engine
