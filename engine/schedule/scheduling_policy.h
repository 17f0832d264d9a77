#pragma once

#include <memory>

#include "engine/schedule/sequence.h"

namespace engine {

enum class PolicyKind : uint8_t { ResponseRatio, Fcfs, Priority };

/// Whose turn it is: among waiting sequences, who is admitted; among admitted ones, whose prompt goes on.
class SchedulingPolicy {
  public:
    virtual ~SchedulingPolicy() = default;
    /// Whether `a` goes before `b`: a strict weak order at the time `now`. `tokenMicros` is what computing a
    /// prompt token costs.
    virtual bool before(const Sequence& a, const Sequence& b, std::chrono::nanoseconds now,
                        double tokenMicros) const = 0;
};

/// First come, first served.
std::unique_ptr<SchedulingPolicy> makeFcfsPolicy();

/// Highest response ratio next (Brinch Hansen 1971): (1 + waited / work), the work being what of the prompt
/// is still to be computed. Short questions go first, and everyone's claim grows while it waits. A level of
/// priority doubles the claim.
///
/// Bound: once the ratio reaches kOverdueRatio a sequence is overdue, and overdue sequences go in the order
/// of their arrival before all others, whatever their priority. So a request with work W and priority 0 or
/// more waits at most kOverdueRatio * W, plus the work of those that were overdue before it; each level below
/// 0 doubles its patience.
std::unique_ptr<SchedulingPolicy> makeResponseRatioPolicy();
constexpr double kOverdueRatio = 32.0;

/// Larger priority first, whatever waits; within a priority by response ratio.
std::unique_ptr<SchedulingPolicy> makePriorityPolicy();

std::unique_ptr<SchedulingPolicy> makePolicy(PolicyKind kind);

}  // namespace engine
