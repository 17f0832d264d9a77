#include "engine/schedule/scheduling_policy.h"

#include <algorithm>
#include <cmath>

#include "engine/durations.h"

namespace engine {
namespace {

bool cameFirst(const Sequence& a, const Sequence& b) {
    return a.submitted != b.submitted ? a.submitted < b.submitted : a.id < b.id;
}

class FcfsPolicy final : public SchedulingPolicy {
  public:
    bool before(const Sequence& a, const Sequence& b, std::chrono::nanoseconds, double) const override {
        return cameFirst(a, b);
    }
};

class ResponseRatioPolicy final : public SchedulingPolicy {
  public:
    bool before(const Sequence& a, const Sequence& b, std::chrono::nanoseconds now,
                double tokenMicros) const override {
        const double ratioA = ratio(a, now, tokenMicros), ratioB = ratio(b, now, tokenMicros);
        const bool overdueA = ratioA >= kOverdueRatio, overdueB = ratioB >= kOverdueRatio;
        if (overdueA != overdueB) return overdueA;
        if (overdueA || ratioA == ratioB) return cameFirst(a, b);
        return ratioA > ratioB;
    }

  private:
    static double ratio(const Sequence& sequence, std::chrono::nanoseconds now, double tokenMicros) {
        const double waited = std::max(0.0, inMicros(now - sequence.submitted));
        // An admitted sequence knows what is left; a waiting one what its prefix cache lacked.
        const int left =
            sequence.tables.empty() ? sequence.remaining() - sequence.cachedTokens : sequence.remaining();
        return (1.0 + waited / (std::max(1, left) * std::max(1.0, tokenMicros))) *
               std::exp2(std::clamp(sequence.priority, -8, 8));
    }
};

class PriorityPolicy final : public SchedulingPolicy {
  public:
    bool before(const Sequence& a, const Sequence& b, std::chrono::nanoseconds now,
                double tokenMicros) const override {
        if (a.priority != b.priority) return a.priority > b.priority;
        return ratio_.before(a, b, now, tokenMicros);
    }

  private:
    ResponseRatioPolicy ratio_;
};

}  // namespace

std::unique_ptr<SchedulingPolicy> makeFcfsPolicy() {
    return std::make_unique<FcfsPolicy>();
}
std::unique_ptr<SchedulingPolicy> makeResponseRatioPolicy() {
    return std::make_unique<ResponseRatioPolicy>();
}
std::unique_ptr<SchedulingPolicy> makePriorityPolicy() {
    return std::make_unique<PriorityPolicy>();
}

std::unique_ptr<SchedulingPolicy> makePolicy(PolicyKind kind) {
    switch (kind) {
        case PolicyKind::Fcfs:
            return makeFcfsPolicy();
        case PolicyKind::Priority:
            return makePriorityPolicy();
        case PolicyKind::ResponseRatio:
            break;
    }
    return makeResponseRatioPolicy();
}

}  // namespace engine
