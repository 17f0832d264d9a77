#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "tests/engine/support/failing_ops.h"

namespace engine::testing {

/// The CPU as slow as a device may be: nothing that is enqueued happens before somebody waits for it, and no
/// more than that then. What fails, fails where it is waited for.
class LazyOps final : public FailingOps {
  public:
    LazyOps(std::unique_ptr<kernels::Ops> real, Fault& fault) : FailingOps(std::move(real), fault) {}

    bool runsAhead() const override { return true; }

    void upload(void* device, const void* host, size_t bytes) override {
        const auto* from = static_cast<const std::byte*>(host);
        later([this, device, copy = std::vector<std::byte>(from, from + bytes)] {
            FailingOps::upload(device, copy.data(), copy.size());
        });
    }
    void copy(void* to, const void* from, size_t bytes) override {
        later([=, this] { FailingOps::copy(to, from, bytes); });
    }
    uint64_t fetch(std::byte* host, const void* device, size_t bytes) override {
        later([=, this] { FailingOps::fetch(host, device, bytes); });
        std::fill_n(host, bytes, std::byte{0xEE});
        return enqueued_;
    }
    void awaitFetch(uint64_t fetch) override { runUpTo(fetch); }
    void download(void* host, const void* device, size_t bytes) override {
        runUpTo(enqueued_);
        FailingOps::download(host, device, bytes);
    }
    void downloadAll(std::span<const kernels::HostCopy> copies) override {
        runUpTo(enqueued_);
        FailingOps::downloadAll(copies);
    }
    /// Beside everything enqueued later, and as early as it may take effect.
    uint64_t uploadAside(std::span<const kernels::HostCopy> copies) override {
        runUpTo(enqueued_);
        return FailingOps::uploadAside(copies);
    }
    void synchronize() override {
        runUpTo(enqueued_);
        FailingOps::synchronize();
    }

    void embed(float* out, const kernels::Weight& table, const int32_t* ids, float scale, int rows) override {
        later([=, this, &table] { FailingOps::embed(out, table, ids, scale, rows); });
    }
    void addNorm(kernels::Activations& out, float* residual, const float* branch, const float* branchNorm,
                 const float* norm, float epsilon, int rows, int width) override {
        later([=, this, &out] {
            FailingOps::addNorm(out, residual, branch, branchNorm, norm, epsilon, rows, width);
        });
    }
    void matmul(std::span<const kernels::Projection> projections, const kernels::Activations& in,
                kernels::RowSplit rows) override {
        later([this, all = std::vector(projections.begin(), projections.end()), &in, rows] {
            FailingOps::matmul(all, in, rows);
        });
    }
    void projectAddNorm(kernels::Activations& out, float* residual, const kernels::Projection& projection,
                        const kernels::Activations& in, const float* branchNorm, const float* norm,
                        float epsilon, kernels::RowSplit rows) override {
        later([=, this, &out, &in] {
            FailingOps::projectAddNorm(out, residual, projection, in, branchNorm, norm, epsilon, rows);
        });
    }
    void gatedFfn(kernels::Activations& out, const kernels::Weight& gate, const kernels::Weight& up,
                  const kernels::Activations& in, kernels::GateKind kind, float* scratch,
                  kernels::RowSplit rows) override {
        later([=, this, &out, &gate, &up, &in] {
            FailingOps::gatedFfn(out, gate, up, in, kind, scratch, rows);
        });
    }
    void rotations(float* out, const kernels::Rope& rope, const int32_t* positions, int rows) override {
        later([=, this] { FailingOps::rotations(out, rope, positions, rows); });
    }
    void ropeAttention(kernels::Activations& out, const kernels::RopeStore& store,
                       const kernels::KvLayer& layer, const kernels::StepRows& rows,
                       const kernels::BlockTables& tables, const kernels::AttentionShape& shape) override {
        later([=, this, &out] { FailingOps::ropeAttention(out, store, layer, rows, tables, shape); });
    }
    void gatherRows(kernels::Activations& out, const kernels::Activations& in, const int32_t* index,
                    int rows) override {
        later([=, this, &out, &in] { FailingOps::gatherRows(out, in, index, rows); });
    }
    void sample(const float* logits, int vocabulary, std::span<const kernels::SamplingRow> rows,
                std::span<int32_t> ids) override {
        runUpTo(enqueued_);
        FailingOps::sample(logits, vocabulary, rows, ids);
    }
    void draw(const float* logits, int vocabulary, std::span<const kernels::SamplingRow> rows) override {
        std::vector<std::vector<int32_t>> penalised;
        for (const kernels::SamplingRow& row : rows)
            penalised.emplace_back(row.penalised.begin(), row.penalised.end());
        later([=, this, own = std::vector(rows.begin(), rows.end()), lists = std::move(penalised)]() mutable {
            for (size_t i = 0; i < own.size(); ++i) own[i].penalised = lists[i];
            FailingOps::draw(logits, vocabulary, own);
        });
    }

  private:
    void later(std::function<void()> operation) {
        operations_.push_back(std::move(operation));
        ++enqueued_;
    }
    void runUpTo(uint64_t number) {
        while (enqueued_ - operations_.size() < number) {
            const auto operation = std::move(operations_.front());
            operations_.pop_front();
            operation();
        }
    }

    std::deque<std::function<void()>> operations_;
    uint64_t enqueued_ = 0;  ///< so far; the last of these are in operations_
};

}  // namespace engine::testing
