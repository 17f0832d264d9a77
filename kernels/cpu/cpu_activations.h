#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops.h"

namespace kernels::detail {

/// Of 32 int8 quants of an activation row: x = scale * quant.
struct alignas(16) ActivationGroup {
    float scale = 0.0F;
    float scaledSum = 0.0F;    ///< scale * sum of the quants
    int32_t halfSums[2] = {};  ///< sums of quants 0..15 and 16..31
};

/// Activation rows as floats (float products) and, when the width allows, as int8 groups of 32.
class CpuActivations final : public Activations {
  public:
    CpuActivations(int capacityRows, int width)
        : capacityRows_(capacityRows),
          width_(width),
          groups_(width / 32),
          floats_(static_cast<size_t>(capacityRows) * static_cast<size_t>(width)),
          quants_(static_cast<size_t>(capacityRows) * static_cast<size_t>(groups_) * 32),
          facts_(static_cast<size_t>(capacityRows) * static_cast<size_t>(groups_)) {}

    int capacityRows() const override { return capacityRows_; }
    int width() const override { return width_; }
    int groups() const { return groups_; }
    float* floats(int row) { return floats_.data() + static_cast<size_t>(row) * static_cast<size_t>(width_); }
    const float* floats(int row) const {
        return floats_.data() + static_cast<size_t>(row) * static_cast<size_t>(width_);
    }
    int8_t* quants(int row) {
        return quants_.data() + static_cast<size_t>(row) * static_cast<size_t>(groups_) * 32;
    }
    const int8_t* quants(int row) const {
        return quants_.data() + static_cast<size_t>(row) * static_cast<size_t>(groups_) * 32;
    }
    ActivationGroup* facts(int row) {
        return facts_.data() + static_cast<size_t>(row) * static_cast<size_t>(groups_);
    }
    const ActivationGroup* facts(int row) const {
        return facts_.data() + static_cast<size_t>(row) * static_cast<size_t>(groups_);
    }

  private:
    int capacityRows_, width_, groups_;
    std::vector<float> floats_;           ///< [capacityRows, width]
    std::vector<int8_t> quants_;          ///< [capacityRows, groups, 32]
    std::vector<ActivationGroup> facts_;  ///< [capacityRows, groups]
};

}  // namespace kernels::detail
