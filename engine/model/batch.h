#pragma once

#include <cstdint>
#include <vector>

#include "kernels/ops.h"

namespace engine {

/// The rows of one step, on the host. Decode and verify rows come first, then prefill rows; the rows of one
/// sequence are consecutive. Built by the Scheduler, consumed by Transformer. Plain value.
struct Batch {
    /// Block tables of every sequence for one KvLayout group (see kernels::BlockTables).
    struct Group {
        std::vector<int32_t> tableStart;  ///< [sequences + 1]
        std::vector<int32_t> blocks;      ///< [tableStart.back()]
        std::vector<int32_t> slots;       ///< [rows]
    };

    /// `count` ids in the device's memory that are the tokens of the rows from `row` on: the host need not
    /// know them.
    struct DeviceTokens {
        const int32_t* ids;
        int row, count;
    };

    kernels::RowSplit rows;
    std::vector<int32_t> tokens;  ///< [rows]; anything where deviceTokens has them
    std::vector<DeviceTokens> deviceTokens;
    std::vector<int32_t> positions;      ///< [rows]
    std::vector<int32_t> rowStart;       ///< [sequences + 1]
    std::vector<int32_t> contextLength;  ///< [sequences] tokens stored once this step is done
    std::vector<Group> groups;           ///< one for each group of the KvLayout
    std::vector<int32_t> logitRows;      ///< rows whose logits are wanted, ascending

    int sequences() const { return static_cast<int>(contextLength.size()); }
};

}  // namespace engine
