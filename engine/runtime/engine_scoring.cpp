#include <algorithm>
#include <cmath>

#include "engine/runtime/local_engine.h"

/// LocalEngine: log-likelihoods of a text, outside of scheduling and sampling.
namespace engine {

void LocalEngine::addScores(Score& score, const float* logits, int rows, const std::vector<TokenId>& ids,
                            size_t firstRow) const {
    const auto vocabulary = static_cast<size_t>(config_.vocabulary);
    for (int row = 0; row < rows; ++row) {
        const std::span<const float> values(logits + static_cast<size_t>(row) * vocabulary, vocabulary);
        const auto best = std::ranges::max_element(values);
        score.likeliest.push_back(static_cast<TokenId>(best - values.begin()));
        const size_t position = firstRow + static_cast<size_t>(row);
        if (position + 1 >= ids.size()) continue;
        double sum = 0.0;
        for (const float value : values) sum += std::exp(static_cast<double>(value - *best));
        score.nll.push_back(std::log(sum) + static_cast<double>(*best) -
                            static_cast<double>(values[static_cast<size_t>(ids[position + 1])]));
    }
}

Result<Engine::Score> LocalEngine::score(const std::vector<TokenId>& ids, int rowsAtATime, ScoreRows kind) {
    if (ids.empty()) return fail(ErrorCode::InvalidArgument, "there is no text to score");
    if (static_cast<int>(ids.size()) > limits_.maxContext)
        return fail(
            ErrorCode::ContextFull,
            "the text has {} tokens, but the context holds {}; give a larger --context or a shorter text",
            ids.size(), limits_.maxContext);
    for (const TokenId id : ids)
        if (id < 0 || id >= config_.vocabulary)
            return fail(ErrorCode::InvalidArgument, "the id {} is not among the {} of the vocabulary", id,
                        config_.vocabulary);
    const int most = std::min(limits_.maxRows, limits_.maxLogitRows);
    try {
        return scoreRows(ids, rowsAtATime > 0 ? std::min(rowsAtATime, most) : most, kind);
    } catch (const std::runtime_error& problem) {
        return fail(ErrorCode::Internal, "the device failed while scoring ({}); try again, or choose the CPU",
                    problem.what());
    }
}

Result<Engine::Score> LocalEngine::scoreRows(const std::vector<TokenId>& ids, int chunk, ScoreRows kind) {
    Score score;
    std::vector<BlockTable> tables;
    for (KvBlockPool& pool : pools_) tables.emplace_back(pool);
    std::vector<float> logits(static_cast<size_t>(chunk) * static_cast<size_t>(config_.vocabulary));
    const int total = static_cast<int>(ids.size());
    for (int first = 0; first < total; first += chunk) {
        const int count = std::min(chunk, total - first);
        Batch batch;
        (kind == ScoreRows::Prompt ? batch.rows.prefill : batch.rows.decode) = count;
        batch.rowStart = {0, count};
        batch.contextLength = {first + count};
        for (int row = 0; row < count; ++row) {
            batch.tokens.push_back(ids[static_cast<size_t>(first + row)]);
            batch.positions.push_back(first + row);
            batch.logitRows.push_back(row);
        }
        for (BlockTable& table : tables) {
            if (cache_ != nullptr)
                cache_->makeRoom(batch.groups.size(), table.blocksNeeded(first + count, first));
            if (!table.reserve(first + count, first))
                return fail(ErrorCode::OutOfMemory, "the cache has no room for {} tokens; raise --kv-bytes",
                            first + count);
            Batch::Group group;
            group.tableStart = {0, static_cast<int32_t>(table.blocks().size())};
            group.blocks.assign(table.blocks().begin(), table.blocks().end());
            for (int row = 0; row < count; ++row) group.slots.push_back(table.slot(first + row));
            batch.groups.push_back(std::move(group));
        }
        const float* device = transformer_->forward(batch, pools_);
        ops_->download(logits.data(), device,
                       static_cast<size_t>(count) * static_cast<size_t>(config_.vocabulary) * sizeof(float));
        addScores(score, logits.data(), count, ids, static_cast<size_t>(first));
        for (size_t g = 0; g < tables.size(); ++g)
            if (const int window = pools_[g].layout().window; window > 0)
                tables[g].releaseBefore(first + count - window + 1);
    }
    return score;
}

}  // namespace engine
