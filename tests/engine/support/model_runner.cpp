#include "tests/engine/support/model_runner.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace engine::testing {
namespace {

template <class T>
T orThrow(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

}  // namespace

ModelRunner::ModelRunner(const TinyModel& shape, const RunnerOptions& options) {
    kernels::CpuOptions cpu;
    cpu.threads = options.threads;
    cpu.compute = options.compute;
    ops_ = options.makeDevice ? options.makeDevice() : kernels::makeCpuOps(cpu);
    file_ = std::make_unique<GgufFile>(orThrow(GgufFile::fromBytes(tinyModelFile(shape), "tiny")));
    config_ = orThrow(ModelConfig::read(*file_));
    TransformerLimits limits;
    limits.maxRows = 1024;
    limits.maxLogitRows = 1024;
    limits.maxSequences = 32;
    limits.maxContext = 1024;
    transformer_ = orThrow(Transformer::load(*file_, config_, *ops_, limits));
    for (const KvGroupLayout& group : KvLayout::of(config_, options.kvType).groups) {
        KvBlockPool& pool = pools_.emplace_back(*ops_, group, kBlocks);
        // Rows that nobody writes are the same in every runner, and no numbers.
        const std::vector<uint8_t> poison(pool.layout().bytesPerBlock() * kBlocks, uint8_t{0xFF});
        ops_->upload(pool.layer(0).base, poison.data(), poison.size());
        if (!options.scatterBlocks) continue;
        // Everything is taken and given back by a stride that visits each block once.
        for (int i = 0; i < kBlocks; ++i) pool.allocate();
        for (int i = 0; i < kBlocks; ++i) pool.release((i * 101 + 7) % kBlocks);
    }
}

std::vector<float> ModelRunner::step(const std::vector<Piece>& pieces) {
    const Batch batch = batchOf(pieces);
    return toHost(transformer_->forward(batch, pools_), batch.logitRows.size());
}

void ModelRunner::begin(const std::vector<Piece>& pieces) {
    const Batch batch = batchOf(pieces);
    begunRows_ = batch.logitRows.size();
    transformer_->begin(batch);
}

std::optional<std::vector<float>> ModelRunner::advance(int layers) {
    const float* logits = transformer_->advance(layers, pools_);
    return logits != nullptr ? std::optional(toHost(logits, begunRows_)) : std::nullopt;
}

std::vector<float> ModelRunner::toHost(const float* logits, size_t rows) {
    std::vector<float> host(rows * static_cast<size_t>(config_.vocabulary));
    ops_->download(host.data(), logits, host.size() * sizeof(float));
    return host;
}

std::vector<std::byte> ModelRunner::kv() {
    std::vector<std::byte> all;
    for (const KvBlockPool& pool : pools_) {
        const size_t bytes = pool.layout().bytesPerBlock() * static_cast<size_t>(pool.totalBlocks()),
                     at = all.size();
        all.resize(at + bytes);
        ops_->download(all.data() + at, pool.layer(0).base, bytes);
    }
    return all;
}

Batch ModelRunner::batchOf(const std::vector<Piece>& pieces) {
    Batch batch;
    batch.groups.resize(pools_.size());
    for (Batch::Group& group : batch.groups) group.tableStart.push_back(0);
    batch.rowStart.push_back(0);
    for (const Piece& piece : pieces) {
        if (static_cast<size_t>(piece.sequence) >= sequences_.size())
            sequences_.resize(static_cast<size_t>(piece.sequence) + 1);
        SequenceState& sequence = sequences_[static_cast<size_t>(piece.sequence)];
        sequence.blocks.resize(pools_.size());
        const auto count = static_cast<int>(piece.ids.size());
        (piece.decode ? batch.rows.decode : batch.rows.prefill) += count;
        for (int i = 0; i < count; ++i) {
            batch.tokens.push_back(piece.ids[static_cast<size_t>(i)]);
            batch.positions.push_back(sequence.length + i);
            batch.logitRows.push_back(static_cast<int32_t>(batch.logitRows.size()));
        }
        for (size_t g = 0; g < pools_.size(); ++g) {
            std::vector<int32_t>& blocks = sequence.blocks[g];
            const int blockTokens = pools_[g].layout().blockTokens;
            while (static_cast<int>(blocks.size()) * blockTokens < sequence.length + count)
                blocks.push_back(pools_[g].allocate().value());
            Batch::Group& group = batch.groups[g];
            for (int i = sequence.length; i < sequence.length + count; ++i)
                group.slots.push_back(blocks[static_cast<size_t>(i / blockTokens)] * blockTokens +
                                      i % blockTokens);
            group.blocks.insert(group.blocks.end(), blocks.begin(), blocks.end());
            group.tableStart.push_back(static_cast<int32_t>(group.blocks.size()));
        }
        sequence.length += count;
        batch.contextLength.push_back(sequence.length);
        batch.rowStart.push_back(static_cast<int32_t>(batch.tokens.size()));
    }
    return batch;
}

std::vector<float> ModelRunner::run(const std::vector<int32_t>& ids, int chunk) {
    const auto sequence = static_cast<int>(sequences_.size());
    const size_t rows = chunk > 0 ? static_cast<size_t>(chunk) : ids.size();
    std::vector<float> all;
    for (size_t begin = 0; begin < ids.size(); begin += rows) {
        const auto first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto last = ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), begin + rows));
        const std::vector<float> part = step({{sequence, {first, last}}});
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

std::vector<std::byte> ModelRunner::kvOf(int sequence) {
    std::vector<std::byte> all, block;
    const SequenceState& state = sequences_[static_cast<size_t>(sequence)];
    for (size_t g = 0; g < pools_.size(); ++g) {
        const KvGroupLayout& layout = pools_[g].layout();
        for (int index = 0; index < static_cast<int>(layout.layers.size()); ++index) {
            const kernels::KvLayer layer = pools_[g].layer(index);
            block.resize(layer.blockBytes());
            for (int first = 0; first < state.length; first += layout.blockTokens) {
                const int id = state.blocks[g][static_cast<size_t>(first / layout.blockTokens)];
                ops_->download(block.data(), layer.base + static_cast<size_t>(id) * block.size(),
                               block.size());
                const auto stored = static_cast<size_t>(std::min(layout.blockTokens, state.length - first));
                const std::byte* at = block.data();
                for (const size_t rowBytes : {layer.keyRowBytes(), layer.valueRowBytes()})
                    for (int head = 0; head < layer.numKvHeads; ++head) {
                        all.insert(all.end(), at, at + stored * rowBytes);
                        at += static_cast<size_t>(layout.blockTokens) * rowBytes;
                    }
            }
        }
    }
    return all;
}

std::vector<double> negativeLogLikelihoods(const std::vector<float>& logits, const std::vector<int32_t>& ids,
                                           int vocabulary) {
    std::vector<double> result;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
        const float* row = logits.data() + i * static_cast<size_t>(vocabulary);
        const double largest = *std::max_element(row, row + vocabulary);
        double total = 0.0;
        for (int v = 0; v < vocabulary; ++v) total += std::exp(static_cast<double>(row[v]) - largest);
        result.push_back(largest + std::log(total) - static_cast<double>(row[ids[i + 1]]));
    }
    return result;
}

int likeliest(const float* logits, int vocabulary) {
    return static_cast<int>(std::max_element(logits, logits + vocabulary) - logits);
}

}  // namespace engine::testing
