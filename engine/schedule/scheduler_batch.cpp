#include "engine/schedule/scheduler.h"

/// Scheduler: the rows of a step as the transformer takes them.
namespace engine {
namespace {

/// Neighbours in both memories are one copy.
void addDeviceToken(Batch& batch, const int32_t* id, int row) {
    if (!batch.deviceTokens.empty()) {
        Batch::DeviceTokens& last = batch.deviceTokens.back();
        if (last.ids + last.count == id && last.row + last.count == row) {
            ++last.count;
            return;
        }
    }
    batch.deviceTokens.push_back({id, row, 1});
}

}  // namespace

Batch Scheduler::batchOf(std::span<const Part> parts) const {
    Batch batch;
    batch.groups.resize(pools_.size());
    batch.rowStart.push_back(0);
    for (Batch::Group& group : batch.groups) group.tableStart.push_back(0);
    for (const Part& part : parts) {
        const Sequence& sequence = *part.sequence;
        (part.first >= sequence.promptTokens ? batch.rows.decode : batch.rows.prefill) += part.count;
        for (int token = part.first; token < part.first + part.count; ++token) {
            const auto at = static_cast<size_t>(token), known = sequence.tokens.size();
            batch.tokens.push_back(at < known              ? sequence.tokens[at]
                                   : part.token != nullptr ? 0
                                                           : sequence.draft[at - known]);
            batch.positions.push_back(token);
            for (size_t g = 0; g < batch.groups.size(); ++g)
                batch.groups[g].slots.push_back(sequence.tables[g].slot(token));
        }
        const auto end = static_cast<int32_t>(batch.tokens.size());
        if (part.token != nullptr) addDeviceToken(batch, part.token, end - 1);
        if (part.drafted() > 0 && sequence.draftOnDevice != nullptr)
            batch.deviceTokens.push_back(
                {sequence.draftOnDevice, static_cast<int>(end) - part.drafted(), part.drafted()});
        batch.rowStart.push_back(end);
        batch.contextLength.push_back(part.first + part.count);
        for (int32_t row = end - part.logits; row < end; ++row) batch.logitRows.push_back(row);
        for (size_t g = 0; g < batch.groups.size(); ++g) {
            const auto blocks = sequence.tables[g].blocks();
            batch.groups[g].blocks.insert(batch.groups[g].blocks.end(), blocks.begin(), blocks.end());
            batch.groups[g].tableStart.push_back(static_cast<int32_t>(batch.groups[g].blocks.size()));
        }
    }
    return batch;
}

}  // namespace engine
