#include "engine/speculate/model_drafter.h"

#include <algorithm>

#include "engine/durations.h"
#include "engine/runtime/memory_plan.h"
#include "engine/sampling/sampler.h"

namespace engine {
namespace {

size_t commonPrefix(std::span<const TokenId> a, std::span<const TokenId> b) {
    const size_t most = std::min(a.size(), b.size());
    return static_cast<size_t>(
        std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first - a.begin());
}

}  // namespace

ModelDrafter::ModelDrafter(GgufFile file, kernels::Ops& ops, Clock clock)
    : file_(std::move(file)), ops_(ops), clock_(std::move(clock)) {}

Result<std::unique_ptr<ModelDrafter>> ModelDrafter::load(GgufFile file, kernels::Ops& ops,
                                                         const Options& options, Clock clock,
                                                         const LoadProgress& progress) {
    std::unique_ptr<ModelDrafter> drafter(new ModelDrafter(std::move(file), ops, std::move(clock)));
    auto config = ModelConfig::read(drafter->file_);
    if (!config) return tl::unexpected<Error>(config.error());
    drafter->config_ = std::move(*config);
    const KvLayout layout = KvLayout::of(drafter->config_, options.kvType);
    TransformerLimits limits;
    limits.maxRows = std::max(kChunk, options.maxSequences * kSoon);
    limits.maxSequences = options.maxSequences;
    limits.maxLogitRows = std::max(options.maxSequences, StepCosts::kRows.back());
    const MemoryPlan plan = planMemory(drafter->file_, drafter->config_, layout, limits,
                                       {options.contextTokens, options.kvBytes}, ops);
    if (!plan.fits)
        return fail(ErrorCode::OutOfMemory, "the draft model {} {}", drafter->file_.path().string(),
                    plan.explain());
    limits.maxContext = plan.contextTokens;
    drafter->deviceBytes_ = plan.total();
    auto transformer = Transformer::load(drafter->file_, drafter->config_, ops, limits, progress);
    if (!transformer) return tl::unexpected<Error>(transformer.error());
    drafter->transformer_ = std::move(*transformer);
    drafter->pools_.reserve(layout.groups.size());
    const size_t tokens = plan.kv / std::max<size_t>(1, layout.bytesPerToken());
    for (const KvGroupLayout& group : layout.groups)
        drafter->pools_.emplace_back(
            ops, group,
            static_cast<int>(std::max<size_t>(1, tokens / static_cast<size_t>(group.blockTokens))));
    drafter->cache_ = std::make_unique<RadixCache>(ops, std::span(drafter->pools_));
    drafter->drawn_ =
        ops.allocate(static_cast<size_t>(options.maxSequences) * kMostDrafted * sizeof(int32_t));
    drafter->targetVocabulary_ = options.targetVocabulary;
    drafter->costs_ = measureStepCosts(*drafter->transformer_, drafter->pools_, ops, drafter->clock_);
    // Until a prompt was caught up with: what a row adds to a wide step.
    drafter->prefillMicros_ = drafter->costs_.micros(StepCosts::kRows.back()) / StepCosts::kRows.back();
    if (ops.runsAhead()) drafter->measureReading();
    return drafter;
}

ModelDrafter::State ModelDrafter::stateFor(std::span<const TokenId> tokens) {
    RadixCache::Match match = cache_->match(kSpace, tokens);
    State state;
    state.tables = std::move(match.tables);
    state.lock = std::move(match.lock);
    state.stored.assign(tokens.begin(), tokens.begin() + match.tokens);
    return state;
}

ModelDrafter::State& ModelDrafter::stateOf(const Sequence& sequence) {
    const auto [found, isNew] = states_.try_emplace(sequence.id);
    State& state = found->second;
    if (isNew) state = stateFor(sequence.tokens);
    // Back to where its own guesses and what came part; the last token is computed again, for its logits.
    const size_t common = std::min(commonPrefix(state.stored, sequence.tokens), sequence.tokens.size() - 1);
    state.stored.resize(common);
    for (BlockTable& table : state.tables) table.truncate(static_cast<int>(common));
    return state;
}

int ModelDrafter::behind(const Sequence& sequence) const {
    const auto found = states_.find(sequence.id);
    const size_t stored = found != states_.end()
                              ? commonPrefix(found->second.stored, sequence.tokens)
                              : static_cast<size_t>(cache_->peek(kSpace, sequence.tokens).tokens);
    return static_cast<int>(sequence.tokens.size() - stored);
}

bool ModelDrafter::reserve(State& state, int tokens) {
    const int stored = static_cast<int>(state.stored.size());
    for (size_t g = 0; g < pools_.size(); ++g) {
        cache_->makeRoom(g, state.tables[g].blocksNeeded(tokens, stored));
        if (!state.tables[g].reserve(tokens, stored)) return false;
    }
    return true;
}

Batch ModelDrafter::batchOf(std::span<const Row> rows, bool wantsLogits) const {
    Batch batch;
    batch.groups.resize(pools_.size());
    batch.rowStart.push_back(0);
    for (Batch::Group& group : batch.groups) group.tableStart.push_back(0);
    for (const Row& row : rows) {
        const int first = static_cast<int>(row.state->stored.size()),
                  count = static_cast<int>(row.feed.size());
        batch.rows.decode += count;
        batch.tokens.insert(batch.tokens.end(), row.feed.begin(), row.feed.end());
        for (int token = first; token < first + count; ++token) {
            batch.positions.push_back(token);
            for (size_t g = 0; g < batch.groups.size(); ++g)
                batch.groups[g].slots.push_back(row.state->tables[g].slot(token));
        }
        batch.rowStart.push_back(static_cast<int32_t>(batch.tokens.size()));
        batch.contextLength.push_back(first + count);
        if (wantsLogits) batch.logitRows.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
        for (size_t g = 0; g < batch.groups.size(); ++g) {
            const auto blocks = row.state->tables[g].blocks();
            batch.groups[g].blocks.insert(batch.groups[g].blocks.end(), blocks.begin(), blocks.end());
            batch.groups[g].tableStart.push_back(static_cast<int32_t>(batch.groups[g].blocks.size()));
        }
    }
    return batch;
}

/// Stores the KV of further tokens.
void ModelDrafter::compute(State& state, std::span<const TokenId> tokens) {
    const Row row{&state, nullptr, nullptr, {tokens.begin(), tokens.end()}};
    Batch batch = batchOf({&row, 1}, false);
    std::swap(batch.rows.decode, batch.rows.prefill);
    transformer_->forward(batch, pools_);
    state.stored.insert(state.stored.end(), tokens.begin(), tokens.end());
}

/// Where no chunk of a prompt is timed while it matters, one is timed at load.
void ModelDrafter::measureReading() {
    State state;
    for (KvBlockPool& pool : pools_) state.tables.emplace_back(pool);
    const std::vector<TokenId> chunk(kChunk / 2);
    for (int count = 1; count <= 2; ++count) {  // the first one warms up
        if (!reserve(state, count * kChunk / 2)) return;
        const auto start = clock_();
        compute(state, chunk);
        ops_.synchronize();
        prefillMicros_ = inMicros(clock_() - start) / static_cast<double>(chunk.size());
    }
}

/// A device that records steps wants few different ones: there, a draft begins with one row or two.
size_t ModelDrafter::mostFed() const {
    return ops_.runsAhead() ? 2 : kFed;
}

double ModelDrafter::catchUpMicros(int behind) const {
    if (behind <= 0) return 0.0;
    if (static_cast<size_t>(behind) < mostFed()) return costs_.micros(1 + behind) - costs_.micros(1);
    // Few rows of a prompt take as long as one: the weights are read.
    return std::max(prefillMicros_ * behind, costs_.micros(1));
}

/// Computes a chunk of what is missing; true once drafting can begin.
bool ModelDrafter::catchUp(State& state, const Sequence& sequence) {
    const size_t stored = state.stored.size(), missing = sequence.tokens.size() - stored;
    if (missing <= mostFed()) return true;
    const size_t count = std::min<size_t>(missing - 1, kChunk);
    if (!reserve(state, static_cast<int>(stored + count))) return false;
    const auto start = clock_();
    compute(state, std::span(sequence.tokens).subspan(stored, count));
    begunMicros_ += catchUpMicros(static_cast<int>(count));
    noteReading(count, inMicros(clock_() - start));
    releaseWindows(state);
    if (missing <= kSoon) return true;
    hasRead_ = true;
    return false;
}

/// A few rows say more about a step than about a row.
void ModelDrafter::noteReading(size_t rows, double took) {
    constexpr size_t kEnough = 48;
    if (!ops_.runsAhead() && rows >= kEnough) prefillMicros_ = took / static_cast<double>(rows);
}

/// The next row stands behind what is stored. Guesses are not stored yet when this is called, so no rollback
/// goes further back.
void ModelDrafter::releaseWindows(State& state) {
    const int stored = static_cast<int>(state.stored.size());
    for (size_t g = 0; g < state.tables.size(); ++g) {
        const int window = pools_[g].layout().window;
        if (window == 0 || stored - window + 1 <= 0) continue;
        state.tables[g].releaseBefore(stored - window + 1);
    }
}

void ModelDrafter::draw(std::span<Row> rows, const float* logits) {
    std::vector<std::vector<int32_t>> penalised(rows.size());
    std::vector<kernels::SamplingRow> sampling;
    for (size_t i = 0; i < rows.size(); ++i) {
        const Sequence& sequence = *rows[i].request->sequence;
        Begun& begun = *rows[i].begun;
        kernels::SamplingRow row = chainedSamplingRow(
            sequence.sampling, sequence.tokens, begun.ids, begun.tokens,
            static_cast<uint64_t>(sequence.newTokens()) + static_cast<uint64_t>(begun.tokens), penalised[i]);
        // The target's padding may reach beyond this model's, and this one's beyond the target's.
        std::erase_if(penalised[i], [&](int32_t id) { return id >= config_.vocabulary; });
        row.penalised = penalised[i];
        row.candidates = targetVocabulary_;
        sampling.push_back(row);
        ++begun.tokens;
        rows[i].feed = {0};
    }
    ops_.draw(logits, config_.vocabulary, sampling);
}

/// One more token for every row; rows that have enough, or no room, leave.
void ModelDrafter::round(std::vector<Row>& rows) {
    std::erase_if(rows, [&](Row& row) {
        return row.begun->tokens >= std::min(row.request->most, kMostDrafted) ||
               !reserve(*row.state, static_cast<int>(row.state->stored.size() + row.feed.size()));
    });
    if (rows.empty()) return;
    const auto start = clock_();
    Batch batch = batchOf(rows, true);
    for (size_t i = 0; i < rows.size(); ++i)
        if (const Begun& begun = *rows[i].begun; begun.tokens > 0)
            batch.deviceTokens.push_back({begun.ids + begun.tokens - 1, batch.rowStart[i], 1});
    const float* logits = transformer_->forward(batch, pools_);
    for (const Row& row : rows) {
        row.state->stored.insert(row.state->stored.end(), row.feed.begin(), row.feed.end());
        if (row.begun->tokens > 0) ++row.state->unknown;
    }
    draw(rows, logits);
    const auto count = static_cast<int>(batch.tokens.size());
    roundRows_.push_back(count);
    begunMicros_ += costs_.micros(count);
    if (!ops_.runsAhead() && rows.size() == batch.tokens.size())
        costs_.observePlain(count, inMicros(clock_() - start));
}

std::vector<ModelDrafter::Begun> ModelDrafter::begin(std::span<const DraftRequest> requests) {
    if (!pending_.empty()) collect();
    roundRows_.clear();
    begunMicros_ = 0.0;
    hasRead_ = false;
    std::vector<Begun> begun(requests.size());
    std::vector<Row> rows;
    for (size_t i = 0; i < requests.size(); ++i) {
        begun[i].ids = drawn_.as<int32_t>() + i * kMostDrafted;
        if (requests[i].most <= 0) continue;
        const Sequence& sequence = *requests[i].sequence;
        State& state = stateOf(sequence);
        if (!catchUp(state, sequence)) continue;
        const auto from = sequence.tokens.begin() + static_cast<std::ptrdiff_t>(state.stored.size());
        rows.push_back({&state, &requests[i], &begun[i], {from, sequence.tokens.end()}});
        releaseWindows(state);
    }
    while (!rows.empty()) round(rows);
    for (size_t i = 0; i < requests.size(); ++i) pending_.push_back({requests[i].sequence->id, begun[i]});
    return begun;
}

std::vector<std::vector<TokenId>> ModelDrafter::collect() {
    std::vector<std::vector<TokenId>> proposals(pending_.size());
    const bool isAny = std::ranges::any_of(pending_, [](const Pending& p) { return p.begun.tokens > 0; });
    std::vector<int32_t> ids(pending_.size() * kMostDrafted);
    if (isAny) ops_.download(ids.data(), drawn_.data(), ids.size() * sizeof(int32_t));
    for (size_t i = 0; i < pending_.size(); ++i) {
        const auto first = ids.begin() + static_cast<std::ptrdiff_t>(i * kMostDrafted);
        proposals[i].assign(first, first + pending_[i].begun.tokens);
        const auto state = states_.find(pending_[i].sequence);
        if (state == states_.end()) continue;
        std::vector<TokenId>& stored = state->second.stored;
        std::copy_n(proposals[i].begin(), state->second.unknown,
                    stored.end() - static_cast<std::ptrdiff_t>(state->second.unknown));
        state->second.unknown = 0;
    }
    pending_.clear();
    return proposals;
}

std::vector<std::vector<TokenId>> ModelDrafter::propose(std::span<const DraftRequest> requests) {
    begin(requests);
    return collect();
}

void ModelDrafter::scaleCosts(double ratio) {
    for (const int rows : roundRows_) costs_.observePlain(rows, costs_.micros(rows) * ratio);
}

void ModelDrafter::forget(const Sequence& sequence) {
    const auto found = states_.find(sequence.id);
    if (found == states_.end()) return;
    State& state = found->second;
    state.stored.resize(state.stored.size() - state.unknown);
    // Guesses that never came are not worth keeping.
    const size_t common = commonPrefix(state.stored, sequence.tokens);
    cache_->extend(state.lock, std::span(state.stored).first(common), state.tables, true);
    states_.erase(found);
}

void ModelDrafter::prepareLater(const Sequence& sequence) {
    toPrepare_.push_back(sequence.tokens);
    if (toPrepare_.size() > kMostPrepared) toPrepare_.pop_front();
}

bool ModelDrafter::prepareSome() {
    while (!toPrepare_.empty()) {
        const std::vector<TokenId>& tokens = toPrepare_.back();
        // Never its last token: as in the target's cache, that is computed when something follows it.
        State state = stateFor(tokens);
        const size_t stored = state.stored.size();
        const size_t count = std::min({tokens.size() - 1 - stored, static_cast<size_t>(kChunk),
                                       static_cast<size_t>(std::max(16.0, kMostIdle / prefillMicros_))});
        if (count > 0 && reserve(state, static_cast<int>(stored + count))) {
            const auto start = clock_();
            compute(state, std::span(tokens).subspan(stored, count));
            ops_.synchronize();
            noteReading(count, inMicros(clock_() - start));
            releaseWindows(state);
            cache_->extend(state.lock, state.stored, state.tables, true);
            prepared_ += static_cast<int64_t>(count);
            return true;
        }
        cache_->extend(state.lock, state.stored, state.tables, true);
        toPrepare_.pop_back();
    }
    return false;
}

void ModelDrafter::erase(std::span<const TokenId> tokens) {
    std::erase_if(toPrepare_, [&](const std::vector<TokenId>& waiting) {
        return commonPrefix(waiting, tokens) == std::min(waiting.size(), tokens.size());
    });
    cache_->forget(kSpace, tokens);
}

void ModelDrafter::eraseAll() {
    toPrepare_.clear();
    cache_->clear();
}

void ModelDrafter::abandon() {
    toPrepare_.clear();
    pending_.clear();
    states_.clear();
    begunMicros_ = 0.0;
}

void ModelDrafter::checkIntegrity() const {
    for (const KvBlockPool& pool : pools_) pool.checkIntegrity();
    cache_->checkIntegrity();
}

}  // namespace engine
