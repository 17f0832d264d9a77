#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/kernels/gpu/cuda_harness.h"

namespace kernels::testing {

struct AttentionCase {
    KvType kvType;
    int numHeads, numKvHeads, dim;
    int window = 0;
    float softcap = 0.0F;
    RopePairs pairs = RopePairs::Halves;
    bool norms = false;
};

/// Sequences with a history, each given some new rows in one step, their blocks scattered over the pool.
/// Every byte of the pool that nothing was stored in is 0xFF, a NaN in halves and scales.
class AttentionWorld {
  public:
    struct Sequence {
        int stored, rows;
    };
    using Tokens = std::vector<std::vector<float>>;  ///< [sequences][(stored + rows) * width()]

    AttentionWorld(const AttentionCase& shape, std::vector<Sequence> sequences, RowSplit split)
        : shape_(shape), sequences_(std::move(sequences)), split_(split) {}

    int width() const { return (shape_.numHeads + 2 * shape_.numKvHeads) * shape_.dim; }
    int outWidth() const { return shape_.numHeads * shape_.dim; }

    Tokens makeTokens() const {
        Tokens tokens;
        for (const Sequence& s : sequences_)
            tokens.push_back(floats(static_cast<size_t>(s.stored + s.rows) * static_cast<size_t>(width())));
        return tokens;
    }

    /// Stores the histories and the new rows through ropeStore, then attends: values of every new row.
    std::vector<float> run(Ops& ops, const Tokens& tokens) const {
        Stage stage(*this, ops, tokens);
        std::vector<Range> fresh;
        for (const Sequence& s : sequences_) fresh.push_back({s.stored, s.rows});
        return stage.attend(fresh, split_);
    }

    /// The first sequence's new rows as prefill rows in chunks of these sizes, the last one again and again.
    /// `besideDecodes`: with each chunk one decode row of every other sequence, its first new one.
    std::vector<float> runChunks(Ops& ops, const Tokens& tokens, const std::vector<int>& chunks,
                                 bool besideDecodes = false) const {
        Stage stage(*this, ops, tokens);
        std::vector<float> values;
        size_t next = 0;
        for (int done = 0; done < sequences_[0].rows;) {
            const int count =
                std::min(chunks[std::min(next++, chunks.size() - 1)], sequences_[0].rows - done);
            // Decode rows come first, so the chunk's sequence is told last.
            std::vector<Range> part(sequences_.size(), Range{0, 0});
            part[0] = {sequences_[0].stored + done, count};
            int decodes = 0;
            for (size_t s = 1; besideDecodes && s < sequences_.size(); ++s, ++decodes)
                part[s] = {sequences_[s].stored, 1};
            const auto rows = stage.attend(part, {decodes, count});
            values.insert(values.end(), rows.begin() + static_cast<std::ptrdiff_t>(decodes) * outWidth(),
                          rows.end());
            done += count;
        }
        return values;
    }

  private:
    struct Range {
        int first, count;
    };
    static constexpr int kBlockTokens = 16;

    static int blocksOf(const Sequence& s) { return (s.stored + s.rows + kBlockTokens - 1) / kBlockTokens; }

    /// A device's pool with the histories in it.
    class Stage {
      public:
        Stage(const AttentionWorld& world, Ops& ops, const Tokens& tokens)
            : world_(world), ops_(ops), tokens_(tokens) {
            const AttentionCase& shape = world.shape_;
            int total = 0;
            for (const Sequence& s : world.sequences_) {
                total += blocksOf(s);
                longest_ = std::max(longest_, s.stored + s.rows);
            }
            layer_ = {nullptr, shape.kvType, shape.numKvHeads, shape.dim, shape.dim, kBlockTokens};
            pool_ = onDevice(ops, std::vector<uint8_t>(layer_.blockBytes() * static_cast<size_t>(total + 3),
                                                       uint8_t{0xFF}));
            layer_.base = pool_.as<std::byte>();
            std::vector<float> frequencies;
            for (int i = 0; i < shape.dim / 2; ++i)
                frequencies.push_back(
                    std::pow(10000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(shape.dim)));
            frequencies_ = onDevice(ops, frequencies);
            norm_ = onDevice(ops, std::vector<float>(static_cast<size_t>(shape.dim), 1.2F));
            // Blocks of a sequence jump about the pool.
            int next = 0;
            for (const Sequence& s : world.sequences_) {
                blocks_.emplace_back();
                for (int b = 0; b < blocksOf(s); ++b) blocks_.back().push_back(total + 2 - next++);
            }
            std::vector<Range> history;
            int rows = 0;
            for (const Sequence& s : world.sequences_) {
                history.push_back({0, s.stored});
                rows += s.stored;
            }
            if (rows > 0) step(history, {0, rows}, nullptr);
        }

        std::vector<float> attend(const std::vector<Range>& ranges, RowSplit rows) {
            const auto out = ops_.makeActivations(rows.total(), world_.outWidth());
            step(ranges, rows, out.get());
            return valuesOf(ops_, *out, rows.total());
        }

      private:
        void step(const std::vector<Range>& ranges, RowSplit rows, Activations* out) {
            const AttentionCase& shape = world_.shape_;
            const int width = world_.width();
            std::vector<float> projected;
            std::vector<int32_t> positions, starts{0}, lengths, tableStart{0}, table, slots;
            int most = 0;
            std::vector<size_t> order;
            for (size_t s = 0; s < ranges.size(); ++s) order.push_back(s);
            // Where a chunk of the first sequence comes with decode rows, those come first.
            if (rows.decode > 0 && rows.prefill > 0 && ranges[0].count == rows.prefill)
                std::rotate(order.begin(), order.begin() + 1, order.end());
            for (const size_t s : order) {
                const auto [first, count] = ranges[s];
                if (count == 0) continue;
                for (int t = first; t < first + count; ++t) {
                    positions.push_back(t);
                    slots.push_back(blocks_[s][static_cast<size_t>(t / kBlockTokens)] * kBlockTokens +
                                    t % kBlockTokens);
                    const auto from = tokens_[s].begin() + static_cast<std::ptrdiff_t>(t) * width;
                    projected.insert(projected.end(), from, from + width);
                }
                starts.push_back(static_cast<int32_t>(positions.size()));
                lengths.push_back(first + count);
                table.insert(table.end(), blocks_[s].begin(), blocks_[s].end());
                tableStart.push_back(static_cast<int32_t>(table.size()));
                most = std::max(most, count);
            }
            const DeviceBuffer x = onDevice(ops_, projected), p = onDevice(ops_, positions),
                               r = onDevice(ops_, starts), c = onDevice(ops_, lengths),
                               ts = onDevice(ops_, tableStart), tb = onDevice(ops_, table),
                               sl = onDevice(ops_, slots);
            const StepRows stepRows{rows,
                                    static_cast<int>(lengths.size()),
                                    p.as<int32_t>(),
                                    r.as<int32_t>(),
                                    c.as<int32_t>(),
                                    most,
                                    longest_};
            const BlockTables tables{ts.as<int32_t>(), tb.as<int32_t>(), sl.as<int32_t>()};
            RopeStore store;
            store.query = x.as<float>();
            store.key = store.query + shape.numHeads * shape.dim;
            store.value = store.key + shape.numKvHeads * shape.dim;
            store.queryStride = store.keyStride = store.valueStride = width;
            store.numHeads = shape.numHeads;
            if (shape.norms) store.queryNorm = store.keyNorm = norm_.as<float>();
            store.normEpsilon = 1e-5F;
            store.pairs = shape.pairs;
            store.dimensions = shape.dim;
            const DeviceBuffer rotations =
                ops_.allocate(positions.size() * static_cast<size_t>(shape.dim) * sizeof(float));
            ops_.rotations(rotations.as<float>(), {shape.pairs, shape.dim, frequencies_.as<float>(), 1.0F},
                           stepRows.positions, static_cast<int>(positions.size()));
            store.rotations = rotations.as<float>();
            ops_.ropeStore(store, layer_, stepRows, tables);
            if (out != nullptr)
                ops_.attention(*out, x.as<float>(), width, layer_, stepRows, tables,
                               {shape.numHeads, 1.0F / std::sqrt(static_cast<float>(shape.dim)), shape.window,
                                shape.softcap});
            ops_.synchronize();
        }

        const AttentionWorld& world_;
        Ops& ops_;
        const Tokens& tokens_;
        KvLayer layer_;
        DeviceBuffer pool_, frequencies_, norm_;
        std::vector<std::vector<int32_t>> blocks_;
        int longest_ = 0;
    };

    AttentionCase shape_;
    std::vector<Sequence> sequences_;
    RowSplit split_;
};

}  // namespace kernels::testing
