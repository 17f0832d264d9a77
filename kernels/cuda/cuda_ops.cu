#include "kernels/cuda/cuda_ops.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/cuda_common.cuh"
#include "kernels/cuda/host_copies.h"
#include "kernels/cuda/matmul_decode.h"
#include "kernels/cuda/matmul_few_rows.h"
#include "kernels/cuda/matmul_prefill.h"
#include "kernels/cuda/packed_weight.h"
#include "kernels/cuda/read_bandwidth.h"
#include "kernels/cuda/row_operations.h"
#include "kernels/cuda/sampling.h"
#include "kernels/cuda/weight_loader.h"

namespace kernels {
namespace {

using detail::ActivationView;
using detail::checkCuda;
using detail::PackedMatrix;

/// Device memory without the Ops interface around it, for the implementation's own use.
class DeviceMemory {
  public:
    DeviceMemory() = default;
    explicit DeviceMemory(size_t bytes) : bytes_(bytes) {
        if (bytes == 0) return;
        if (cudaMalloc(&data_, bytes) == cudaSuccess) return;
        cudaGetLastError();  // the failure is reported here, not at the next launch
        size_t free = 0, total = 0;
        cudaMemGetInfo(&free, &total);
        throw OutOfDeviceMemory(
            "the GPU has " + std::to_string(free >> 20) + " MiB free of " + std::to_string(total >> 20) +
            " MiB, but " + std::to_string(bytes >> 20) +
            " MiB were asked for; close programs that use it, or choose a smaller model or context");
    }
    ~DeviceMemory() { cudaFree(data_); }
    DeviceMemory(DeviceMemory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    DeviceMemory& operator=(DeviceMemory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    std::byte* data() const { return static_cast<std::byte*>(data_); }
    size_t bytes() const { return bytes_; }
    /// Gives the bytes up to the caller, who frees them with cudaFree.
    void* release() {
        bytes_ = 0;
        return std::exchange(data_, nullptr);
    }

  private:
    void* data_ = nullptr;
    size_t bytes_ = 0;
};

class CudaWeight final : public Weight {
  public:
    CudaWeight(DType type, uint64_t rows, uint64_t columns)
        : memory_(detail::packedBytes(type, rows, columns)),
          packed_(detail::packedView(type, rows, columns, memory_.data())) {}
    DType dtype() const override { return packed_.type; }
    uint64_t rows() const override { return static_cast<uint64_t>(packed_.rows); }
    uint64_t columns() const override { return static_cast<uint64_t>(packed_.columns); }
    size_t deviceBytes() const override { return memory_.bytes(); }
    const PackedMatrix& packed() const { return packed_; }

  private:
    DeviceMemory memory_;
    PackedMatrix packed_;
};

class CudaActivations final : public Activations {
  public:
    CudaActivations(int capacityRows, int width) : capacityRows_(capacityRows) {
        view_.width = width;
        view_.groups = detail::ceilDiv(width, 64);
        const size_t groups = static_cast<size_t>(capacityRows) * static_cast<size_t>(view_.groups);
        const size_t quantised = groups * (64 + sizeof(detail::GroupFacts));
        memory_ = DeviceMemory(bytesOf(capacityRows, width));
        view_.quants = reinterpret_cast<int8_t*>(memory_.data());
        view_.facts = reinterpret_cast<detail::GroupFacts*>(memory_.data() + groups * 64);
        view_.values = reinterpret_cast<__nv_bfloat16*>(memory_.data() + quantised + squaresBytes(groups));
    }
    static size_t bytesOf(int capacityRows, int width) {
        const auto rows = static_cast<size_t>(capacityRows);
        const size_t groups = rows * static_cast<size_t>(detail::ceilDiv(width, 64));
        return groups * (64 + sizeof(detail::GroupFacts)) + squaresBytes(groups) +
               rows * static_cast<size_t>(width) * 2;
    }
    int capacityRows() const override { return capacityRows_; }
    int width() const override { return view_.width; }
    const ActivationView& view() const { return view_; }
    /// For what leaves a norm with that epsilon, and for all else.
    const ActivationView& normed(float epsilon) {
        view_.squares = reinterpret_cast<float*>(view_.facts + static_cast<size_t>(capacityRows_) *
                                                                   static_cast<size_t>(view_.groups));
        view_.epsilon = epsilon;
        return view_;
    }
    const ActivationView& plain() {
        view_.squares = nullptr;
        return view_;
    }

  private:
    /// The values behind them are aligned to 16 bytes.
    static size_t squaresBytes(size_t groups) { return detail::ceilDiv(groups, size_t{4}) * 16; }

    int capacityRows_;
    DeviceMemory memory_;
    ActivationView view_;
};

const PackedMatrix& packedOf(const Weight& weight) {
    return static_cast<const CudaWeight&>(weight).packed();
}
const ActivationView& viewOf(const Activations& activations) {
    return static_cast<const CudaActivations&>(activations).view();
}
CudaActivations& own(Activations& activations) {
    return static_cast<CudaActivations&>(activations);
}

class CudaOps final : public Ops {
  public:
    CudaOps() {
        checkCuda(cudaGetDeviceProperties(&properties_, 0), "reading the device's properties");
        checkCuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
        copies_ = std::make_unique<detail::HostCopies>(stream_);
        size_t total = 0;
        checkCuda(cudaMemGetInfo(&freeAtFirst_, &total), "asking for free memory");
        leastFree_ = freeAtFirst_;
    }
    ~CudaOps() override {
        cudaStreamSynchronize(stream_);
        forgetGraphs();
        copies_.reset();
        cudaFreeHost(uploads_);
        cudaStreamDestroy(stream_);
    }

    DeviceInfo info() const override {
        DeviceInfo info{"cuda", properties_.name, 0, 0};
        checkCuda(cudaMemGetInfo(&info.freeBytes, &info.totalBytes), "asking for free memory");
        return info;
    }

    DeviceBuffer allocate(size_t bytes) override {
        DeviceMemory memory(bytes);
        notePeak();
        return {this, memory.release(), bytes};
    }
    void upload(void* device, const void* host, size_t bytes) override {
        if (bytes > kUploadRingBytes / 8) {
            checkCuda(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "upload");
            checkCuda(cudaStreamSynchronize(stream_), "upload");
            return;
        }
        // Small uploads wait for nothing: they go through a ring of pinned memory.
        if (uploads_ == nullptr)
            checkCuda(cudaMallocHost(reinterpret_cast<void**>(&uploads_), kUploadRingBytes), "upload ring");
        if (uploadAt_ + bytes > kUploadRingBytes) {
            synchronize();
            uploadAt_ = 0;
        }
        std::memcpy(uploads_ + uploadAt_, host, bytes);
        checkCuda(cudaMemcpyAsync(device, uploads_ + uploadAt_, bytes, cudaMemcpyHostToDevice, stream_),
                  "upload");
        uploadAt_ += detail::ceilDiv(bytes, size_t{64}) * 64;
    }
    void download(void* host, const void* device, size_t bytes) override {
        checkCuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "download");
        checkCuda(cudaStreamSynchronize(stream_), "download");
    }
    void copy(void* to, const void* from, size_t bytes) override {
        checkCuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy");
    }
    HostBuffer allocateHost(size_t bytes) override {
        return {this, detail::HostCopies::allocate(bytes), bytes};
    }
    void downloadAll(std::span<const HostCopy> copies) override { copies_->downloadAll(copies); }
    uint64_t fetch(std::byte* host, const void* device, size_t bytes) override {
        return copies_->fetch(host, device, bytes);
    }
    void awaitFetch(uint64_t fetch) override { copies_->awaitFetch(fetch); }
    uint64_t uploadAside(std::span<const HostCopy> copies) override { return copies_->uploadAside(copies); }
    bool isThere(uint64_t uploads) override { return copies_->isThere(uploads); }
    void awaitUploads() override { copies_->awaitUploads(); }
    bool runsAhead() const override { return true; }
    int fewPromptRows() const override { return detail::multipliesFewRows() ? detail::kFewRows : 0; }
    void synchronize() override { checkCuda(cudaStreamSynchronize(stream_), "waiting for the device"); }

    std::unique_ptr<Weight> loadWeight(const HostMatrix& source) override {
        auto weight = std::make_unique<CudaWeight>(source.dtype, source.rows, source.columns);
        if (detail::isPlain(source.dtype)) hasPlainWeights_ = true;
        loader_.load(weight->packed(), source, stream_);
        return weight;
    }
    std::unique_ptr<Activations> makeActivations(int capacityRows, int width) override {
        return std::make_unique<CudaActivations>(capacityRows, width);
    }
    void finishLoading() override { loader_.finish(stream_); }

    /// The driver gives memory out in pages of 2 MiB; small pieces share one.
    size_t bufferBytes(size_t bytes) const override {
        const size_t unit = bytes >= size_t{1} << 20 ? size_t{2} << 20 : 512;
        return detail::ceilDiv(bytes, unit) * unit;
    }
    size_t weightBytes(DType type, uint64_t rows, uint64_t columns) const override {
        return bufferBytes(detail::packedBytes(type, rows, columns));
    }
    size_t activationBytes(int capacityRows, int width) const override {
        return bufferBytes(CudaActivations::bytesOf(capacityRows, width));
    }
    size_t workspaceBytes(const StepBounds& bounds) const override {
        return bufferBytes(workspaceFloats(bounds) * sizeof(float)) + kDriverBytes;
    }
    void reserveWorkspace(const StepBounds& bounds) override {
        floats(workspaceFloats(bounds));
        notePeak();
    }
    size_t peakBytes() override {
        notePeak();
        return freeAtFirst_ - leastFree_;
    }
    void readThrough(const void* device, size_t bytes) override {
        if (readSink_.bytes() == 0) readSink_ = DeviceMemory(sizeof(unsigned));
        detail::readThrough(device, bytes, reinterpret_cast<unsigned*>(readSink_.data()), stream_);
    }

    /// The first time the work runs as it comes, so that workspaces grow to its needs; the second time it
    /// becomes a graph.
    void repeat(uint64_t key, const std::function<void()>& operations) override {
        const auto [entry, isNew] = graphs_.try_emplace(key, nullptr);
        if (isNew) return operations();
        if (entry->second == nullptr) {
            const cudaGraph_t graph = record(operations);
            const cudaError_t made = cudaGraphInstantiate(&entry->second, graph, 0);
            cudaGraphDestroy(graph);
            notePeak();
            if (made == cudaErrorMemoryAllocation) {
                // No room to keep the step: it goes as it comes.
                cudaGetLastError();
                entry->second = nullptr;
                return operations();
            }
            checkCuda(made, "making a step's graph");
        }
        checkCuda(cudaGraphLaunch(entry->second, stream_), "launching a step's graph");
    }

    void embed(float* out, const Weight& table, const int32_t* ids, float scale, int rows) override {
        if (rows > 0) detail::gatherPackedRows(out, packedOf(table), ids, scale, rows, stream_);
    }
    void addNorm(Activations& out, float* residual, const float* branch, const float* branchNorm,
                 const float* norm, float epsilon, int rows, int width) override {
        if (rows > 0)
            detail::addNorm(own(out).normed(epsilon), residual, branch, branchNorm, norm, epsilon, rows,
                            width, stream_);
    }
    void matmul(std::span<const Projection> projections, const Activations& in, RowSplit rows) override {
        if (rows.decode > 0) {
            std::array<detail::MatrixProduct, kMaxProjections> products{};
            for (size_t i = 0; i < projections.size(); ++i) products[i] = productOf(projections[i]);
            detail::matmulDecode({products.data(), projections.size()}, viewOf(in), rows.decode, stream_);
        }
        if (rows.prefill > 0) matmulPrefill(projections, in, rows);
    }
    void projectAddNorm(Activations& out, float* residual, const Projection& projection,
                        const Activations& in, const float* branchNorm, const float* norm, float epsilon,
                        RowSplit rows) override {
        // Rows that end in their product have no bfloat16 values, which float matrices read.
        if (rows.decode == 0 || branchNorm != nullptr || hasPlainWeights_ ||
            !detail::endsProducts(projection.weight->dtype()))
            return Ops::projectAddNorm(out, residual, projection, in, branchNorm, norm, epsilon, rows);
        const ActivationView& to = own(out).normed(epsilon);
        detail::matmulResidual(productOf(projection), viewOf(in), rows.decode, {to, residual, norm}, stream_);
        if (rows.prefill == 0) return;
        matmulPrefill({&projection, 1}, in, rows);
        const auto first = static_cast<size_t>(rows.decode);
        detail::addNorm(to.from(rows.decode), residual + first * static_cast<size_t>(out.width()),
                        projection.out + first * static_cast<size_t>(projection.outStride), nullptr, norm,
                        epsilon, rows.prefill, out.width(), stream_);
    }
    void gatedFfn(Activations& out, const Weight& gate, const Weight& up, const Activations& in,
                  GateKind kind, float* scratch, RowSplit rows) override {
        if (rows.total() == 0) return;
        const int width = out.width();
        const Projection products[] = {{&gate, scratch, 2 * width, nullptr},
                                       {&up, scratch + width, 2 * width, nullptr}};
        matmul(products, in, rows);
        detail::gatedActivation(own(out).plain(), scratch, scratch + width, 2 * width, kind, rows.total(),
                                stream_);
    }
    void rotations(float* out, const Rope& rope, const int32_t* positions, int rows) override {
        if (rows > 0 && rope.dimensions > 0) detail::rotations(out, rope, positions, rows, stream_);
    }
    void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows,
                   const BlockTables& tables) override {
        if (rows.rows.total() > 0) detail::ropeStore(args, layer, rows, tables, stream_);
    }
    void attention(Activations& out, const float* query, int queryStride, const KvLayer& layer,
                   const StepRows& rows, const BlockTables& tables, const AttentionShape& shape) override {
        own(out).plain();
        if (rows.rows.decode > 0) {
            float* workspace = floats(detail::decodeAttentionFloats(rows.rows.decode, shape.numHeads,
                                                                    layer.valueDim, rows.maxContextLength));
            detail::attendDecode(viewOf(out), query, queryStride, layer, rows, tables, shape, workspace,
                                 stream_);
        }
        if (rows.rows.prefill > 0) {
            float* workspace =
                floats(detail::prefillAttentionFloats(rows, shape.numHeads, layer.valueDim, shape.window));
            detail::attendPrefill(viewOf(out), query, queryStride, layer, rows, tables, shape, workspace,
                                  stream_);
        }
    }
    void ropeAttention(Activations& out, const RopeStore& store, const KvLayer& layer, const StepRows& rows,
                       const BlockTables& tables, const AttentionShape& shape) override {
        if (rows.rows.decode == 0 || !detail::attendsInClusters(store, layer, rows))
            return Ops::ropeAttention(out, store, layer, rows, tables, shape);
        detail::attendClusters(own(out).plain(), store, layer, rows, tables, shape, stream_);
    }
    void gatherRows(Activations& out, const Activations& in, const int32_t* index, int rows) override {
        const ActivationView& from = viewOf(in);
        const ActivationView& to = from.squares != nullptr ? own(out).normed(from.epsilon) : own(out).plain();
        if (rows > 0) detail::gatherActivations(to, from, index, rows, stream_);
    }
    void sample(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                std::span<int32_t> ids) override {
        sampler_.sample(logits, vocabulary, rows, ids, sender(), stream_);
    }
    void draw(const float* logits, int vocabulary, std::span<const SamplingRow> rows) override {
        sampler_.draw(logits, vocabulary, rows, sender(), stream_);
    }

  protected:
    void release(void* data, size_t) noexcept override {
        cudaStreamSynchronize(stream_);  // what is enqueued may still read it
        cudaFree(data);
    }
    void releaseHost(std::byte* data, size_t) noexcept override { detail::HostCopies::release(data); }

  private:
    /// What the driver takes as kernels are first run and steps are kept: code, graphs.
    static constexpr size_t kDriverBytes = size_t{32} << 20;
    /// Decode rows of the longest context that the workspace is reserved for; more of them, which hardly any
    /// pool has the blocks for, make it grow.
    static constexpr int kLongRows = 16;

    static size_t workspaceFloats(const StepBounds& bounds) {
        const auto decode = [&](int rows, int tokens) {
            return detail::decodeAttentionFloats(rows, bounds.numHeads, bounds.valueDim, tokens);
        };
        const size_t prompts =
            static_cast<size_t>(bounds.rows) * static_cast<size_t>(bounds.numHeads) *
                static_cast<size_t>(bounds.valueDim) +
            detail::prefillPartialFloats(bounds.numHeads, bounds.valueDim, bounds.contextTokens, 0);
        return std::max({decode(std::min(bounds.decodeRows, kLongRows), bounds.contextTokens),
                         decode(bounds.decodeRows, std::min(bounds.contextTokens, 8192)), prompts});
    }

    void notePeak() noexcept {
        size_t free = 0, total = 0;
        if (cudaMemGetInfo(&free, &total) == cudaSuccess) leastFree_ = std::min(leastFree_, free);
    }

    /// The graph of what `operations` enqueues.
    cudaGraph_t record(const std::function<void()>& operations) {
        cudaGraph_t graph = nullptr;
        checkCuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a step");
        try {
            operations();
        } catch (...) {
            // Or nothing could be enqueued any more.
            if (cudaStreamEndCapture(stream_, &graph) == cudaSuccess && graph != nullptr)
                cudaGraphDestroy(graph);
            cudaGetLastError();
            throw;
        }
        checkCuda(cudaStreamEndCapture(stream_, &graph), "recording a step");
        return graph;
    }

    static constexpr size_t kMaxProjections = 8;  ///< of one input; a model has at most three

    static detail::MatrixProduct productOf(const Projection& projection) {
        return {packedOf(*projection.weight), projection.out, projection.outStride, projection.bias};
    }

    /// The rows after the decode rows.
    void matmulPrefill(std::span<const Projection> projections, const Activations& in, RowSplit rows) {
        std::array<detail::MatrixProduct, kMaxProjections> products{};
        for (size_t i = 0; i < projections.size(); ++i) {
            products[i] = productOf(projections[i]);
            products[i].out += static_cast<size_t>(rows.decode) * static_cast<size_t>(products[i].outStride);
        }
        prefill_.run({products.data(), projections.size()}, viewOf(in), rows.decode, rows.prefill, stream_);
    }

    /// Workspace of attention; grows to the largest step seen. Safe to reuse at once: one stream runs in
    /// order.
    float* floats(size_t count) {
        if (workspace_.bytes() < count * sizeof(float)) {
            synchronize();
            forgetGraphs();  // they hold the old address
            workspace_ = DeviceMemory();
            workspace_ = DeviceMemory(count * sizeof(float));
        }
        return reinterpret_cast<float*>(workspace_.data());
    }

    void forgetGraphs() noexcept {
        for (const auto& [key, graph] : graphs_)
            if (graph != nullptr) cudaGraphExecDestroy(graph);
        graphs_.clear();
    }

    detail::DeviceSampler::Send sender() {
        return [this](void* device, const void* host, size_t bytes) { upload(device, host, bytes); };
    }

    static constexpr size_t kUploadRingBytes = 4U << 20;

    cudaDeviceProp properties_{};
    cudaStream_t stream_ = nullptr;
    std::unique_ptr<detail::HostCopies> copies_;
    std::byte* uploads_ =
        nullptr;  ///< pinned ring; everything before uploadAt_ may still be read by the device
    size_t uploadAt_ = 0;
    std::unordered_map<uint64_t, cudaGraphExec_t> graphs_;  ///< null: seen once
    bool hasPlainWeights_ = false;
    size_t freeAtFirst_ = 0, leastFree_ = 0;
    detail::WeightLoader loader_;
    DeviceMemory workspace_, readSink_;
    detail::PrefillProduct prefill_;
    detail::DeviceSampler sampler_;
};

}  // namespace

Ops* newCudaOps() {
    return new CudaOps;
}

}  // namespace kernels
