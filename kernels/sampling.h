#pragma once

#include <cstdint>
#include <span>

#include "kernels/ops.h"

namespace kernels {

/// Ops::sample for one row, on the host: what every device must agree with. `logits` are overwritten.
/// O(vocabulary), and O(s log s) in the s tokens that top-k or top-p leaves. Any thread.
int32_t sampleToken(std::span<float> logits, const SamplingRow& row);

}  // namespace kernels
