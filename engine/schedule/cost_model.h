#pragma once

#include <array>
#include <chrono>

namespace engine {

/// What steps cost, learned from the steps that ran: the time of a step of n decode rows, and of each prefill
/// row on top. Running averages, so that they follow a context that grows. Engine thread only.
class CostModel {
  public:
    void observe(int decodeRows, int prefillRows, std::chrono::nanoseconds took);

    /// 0 while unknown.
    double prefillRowMicros() const { return prefillRow_; }
    /// Of a step with decode rows only; the nearest known number of rows, 0 while none is.
    double decodeStepMicros(int rows) const;

  private:
    static constexpr int kMostRows = 64;
    std::array<double, kMostRows + 1> decodeStep_{};  ///< by rows
    double prefillRow_ = 0.0;
};

}  // namespace engine
