#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <span>

#include "engine/kv/kv_block_pool.h"
#include "engine/model/transformer.h"

namespace engine {

/// What a step of so many decode or verify rows takes: measured at load, corrected by every step that runs.
class StepCosts {
  public:
    static constexpr std::array<int, 5> kRows{1, 2, 4, 8, 16};  ///< between them it is a straight line

    /// Every cost at once, in micros; what was measured before is gone.
    void set(const std::array<double, kRows.size()>& micros);
    /// One step's time. Nearby row counts move towards it, all others a little in proportion: a longer
    /// context or a busier machine makes every step dearer.
    void observe(int rows, double micros);
    /// Expected time of a step; beyond the last point its slope goes on. Rows 0 cost nothing.
    double micros(int rows) const;
    bool isKnown() const { return micros_.front() > 0.0; }

  private:
    std::array<double, kRows.size()> micros_{};
};

/// Times decode steps of one sequence in the model, twice each, and keeps the faster: tens of milliseconds
/// for a small model, a second for a large one on a CPU. Takes blocks from the pools and gives them back;
/// without enough of them the costs stay unknown.
StepCosts measureStepCosts(Transformer& transformer, std::span<KvBlockPool> pools, kernels::Ops& ops,
                           const std::function<std::chrono::nanoseconds()>& clock);

}  // namespace engine
