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
    static constexpr std::array<int, 8> kRows{1, 2, 3, 4, 6, 8, 12, 16};  ///< a straight line between them

    /// Every cost at once, in micros; what was measured before is gone.
    void set(const std::array<double, kRows.size()>& micros);
    /// A step without drafts took so long. All row counts move in proportion: a longer context or a busier
    /// machine makes every step dearer.
    void observePlain(int rows, double micros);
    /// A step that would have had `plainRows` rows without drafts took so long. Row counts nearby move,
    /// others half as far, but those of plain steps do not: what drafts cost beside them is learned, and not
    /// taken for a busier machine.
    void observeVerify(int rows, int plainRows, double micros);
    /// Expected time of a step; beyond the last point its slope goes on. Rows 0 cost nothing.
    double micros(int rows) const;
    bool isKnown() const { return micros_.front() > 0.0; }
    /// Whether steps should have so many rows if they can choose: devices that record steps and replay them
    /// want few different ones. Rows that are measured, then multiples of four.
    static bool isUsual(int rows);

  private:
    double change(int rows, double micros) const;
    std::array<double, kRows.size()> micros_{};
};

/// Times decode steps of one sequence in the model and keeps the fastest of a few: tens of milliseconds for a
/// small model, a second for a large one on a CPU. Takes blocks from the pools and gives them back; without
/// enough of them the costs stay unknown.
StepCosts measureStepCosts(Transformer& transformer, std::span<KvBlockPool> pools, kernels::Ops& ops,
                           const std::function<std::chrono::nanoseconds()>& clock);

}  // namespace engine
