#pragma once

#include <memory>
#include <stdexcept>

#include "kernels/ops.h"

namespace engine::testing {

/// Set `armed`, and the next attention fails once; `armedAfter` n: the one after n others. `lostAfter` n:
/// after n calls of any kind the device is gone for good, and every call fails. `runsAhead`: the device says
/// so, as cards do.
struct Fault {
    bool armed = false;
    int armedAfter = 0;
    int lostAfter = -1;
    bool runsAhead = false;

    void call() {
        if (lostAfter > 0) --lostAfter;
        if (lostAfter == 0) throw std::runtime_error("device lost");
    }
    void attentionCall() {
        call();
        if (armedAfter > 0 && armedAfter-- == 1) {
            armed = true;
        } else if (armed) {
            armed = false;
            throw std::runtime_error("injected fault");
        }
    }
};

/// A device that does what another does, and fails when told to.
class FailingOps : public kernels::Ops {
  public:
    FailingOps(std::unique_ptr<kernels::Ops> real, Fault& fault) : real_(std::move(real)), fault_(fault) {}

    kernels::DeviceInfo info() const override { return real_->info(); }
    kernels::DeviceBuffer allocate(size_t bytes) override {
        fault_.call();
        return real_->allocate(bytes);
    }
    void upload(void* device, const void* host, size_t bytes) override {
        fault_.call();
        real_->upload(device, host, bytes);
    }
    void download(void* host, const void* device, size_t bytes) override {
        fault_.call();
        real_->download(host, device, bytes);
    }
    void copy(void* to, const void* from, size_t bytes) override {
        fault_.call();
        real_->copy(to, from, bytes);
    }
    void synchronize() override {
        fault_.call();
        real_->synchronize();
    }
    kernels::HostBuffer allocateHost(size_t bytes) override { return real_->allocateHost(bytes); }
    void downloadAll(std::span<const kernels::HostCopy> copies) override {
        fault_.call();
        real_->downloadAll(copies);
    }
    uint64_t fetch(std::byte* host, const void* device, size_t bytes) override {
        fault_.call();
        return real_->fetch(host, device, bytes);
    }
    void awaitFetch(uint64_t fetch) override {
        fault_.call();
        real_->awaitFetch(fetch);
    }
    uint64_t uploadAside(std::span<const kernels::HostCopy> copies) override {
        fault_.call();
        return real_->uploadAside(copies);
    }
    bool isThere(uint64_t uploads) override {
        fault_.call();
        return real_->isThere(uploads);
    }
    void awaitUploads() override {
        fault_.call();
        real_->awaitUploads();
    }
    std::unique_ptr<kernels::Weight> loadWeight(const kernels::HostMatrix& source) override {
        fault_.call();
        return real_->loadWeight(source);
    }
    std::unique_ptr<kernels::Activations> makeActivations(int rows, int width) override {
        fault_.call();
        return real_->makeActivations(rows, width);
    }
    size_t bufferBytes(size_t bytes) const override { return real_->bufferBytes(bytes); }
    size_t weightBytes(kernels::DType type, uint64_t rows, uint64_t columns) const override {
        return real_->weightBytes(type, rows, columns);
    }
    size_t activationBytes(int rows, int width) const override { return real_->activationBytes(rows, width); }
    size_t workspaceBytes(const kernels::StepBounds& bounds) const override {
        return real_->workspaceBytes(bounds);
    }
    void reserveWorkspace(const kernels::StepBounds& bounds) override {
        fault_.call();
        real_->reserveWorkspace(bounds);
    }
    void finishLoading() override { real_->finishLoading(); }
    size_t peakBytes() override { return real_->peakBytes(); }
    void readThrough(const void* device, size_t bytes) override { real_->readThrough(device, bytes); }
    void embed(float* out, const kernels::Weight& table, const int32_t* ids, float scale, int rows) override {
        fault_.call();
        real_->embed(out, table, ids, scale, rows);
    }
    void addNorm(kernels::Activations& out, float* residual, const float* branch, const float* branchNorm,
                 const float* norm, float epsilon, int rows, int width) override {
        fault_.call();
        real_->addNorm(out, residual, branch, branchNorm, norm, epsilon, rows, width);
    }
    void matmul(std::span<const kernels::Projection> projections, const kernels::Activations& in,
                kernels::RowSplit rows) override {
        fault_.call();
        real_->matmul(projections, in, rows);
    }
    void projectAddNorm(kernels::Activations& out, float* residual, const kernels::Projection& projection,
                        const kernels::Activations& in, const float* branchNorm, const float* norm,
                        float epsilon, kernels::RowSplit rows) override {
        fault_.call();
        real_->projectAddNorm(out, residual, projection, in, branchNorm, norm, epsilon, rows);
    }
    void gatedFfn(kernels::Activations& out, const kernels::Weight& gate, const kernels::Weight& up,
                  const kernels::Activations& in, kernels::GateKind kind, float* scratch,
                  kernels::RowSplit rows) override {
        fault_.call();
        real_->gatedFfn(out, gate, up, in, kind, scratch, rows);
    }
    void rotations(float* out, const kernels::Rope& rope, const int32_t* positions, int rows) override {
        fault_.call();
        real_->rotations(out, rope, positions, rows);
    }
    void ropeAttention(kernels::Activations& out, const kernels::RopeStore& store,
                       const kernels::KvLayer& layer, const kernels::StepRows& rows,
                       const kernels::BlockTables& tables, const kernels::AttentionShape& shape) override {
        fault_.attentionCall();
        real_->ropeAttention(out, store, layer, rows, tables, shape);
    }
    void ropeStore(const kernels::RopeStore& args, const kernels::KvLayer& layer,
                   const kernels::StepRows& rows, const kernels::BlockTables& tables) override {
        fault_.call();
        real_->ropeStore(args, layer, rows, tables);
    }
    void attention(kernels::Activations& out, const float* query, int queryStride,
                   const kernels::KvLayer& layer, const kernels::StepRows& rows,
                   const kernels::BlockTables& tables, const kernels::AttentionShape& shape) override {
        fault_.attentionCall();
        real_->attention(out, query, queryStride, layer, rows, tables, shape);
    }
    void gatherRows(kernels::Activations& out, const kernels::Activations& in, const int32_t* index,
                    int rows) override {
        fault_.call();
        real_->gatherRows(out, in, index, rows);
    }
    void sample(const float* logits, int vocabulary, std::span<const kernels::SamplingRow> rows,
                std::span<int32_t> ids) override {
        fault_.call();
        real_->sample(logits, vocabulary, rows, ids);
    }
    void draw(const float* logits, int vocabulary, std::span<const kernels::SamplingRow> rows) override {
        fault_.call();
        real_->draw(logits, vocabulary, rows);
    }
    bool runsAhead() const override { return fault_.runsAhead || real_->runsAhead(); }

  protected:
    void release(void*, size_t) noexcept override {}  // buffers belong to the real device

    kernels::Ops& real() { return *real_; }

  private:
    std::unique_ptr<kernels::Ops> real_;
    Fault& fault_;
};

}  // namespace engine::testing
