#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include "kernels/dtype.h"

/// The one seam between a model and a device.
///
/// A forward pass is written once, over the fused operations below; the CPU implementation is the oracle for
/// every other one. Pointers named `float*` or `int32_t*` in operations are device addresses (host addresses
/// on the CPU) inside a DeviceBuffer. Operations are enqueued in call order and take effect in that order;
/// only `download`, `downloadAll`, `awaitFetch`, `sample` and `synchronize` wait. One thread at a time may
/// call an Ops.
///
/// **Results of a row never depend on the other rows of the call**: each output row's sums run in one fixed
/// order, whatever the number of rows, the split into calls, or the number of threads.
namespace kernels {

class Ops;

/// The device has no room for an allocation. The message says how much was asked and how much was free.
class OutOfDeviceMemory : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct DeviceInfo {
    std::string kind;  ///< "cpu" or "cuda"
    std::string name;  ///< as a person knows it, e.g. "AMD EPYC, 2 threads, AVX-512 VNNI"
    size_t totalBytes = 0;
    size_t freeBytes = 0;
};

/// What owners of an Ops' memory share; they differ in how they give it back.
class OpsMemory {
  public:
    size_t bytes() const { return bytes_; }

  protected:
    OpsMemory() = default;
    OpsMemory(Ops* ops, void* data, size_t bytes) : ops_(ops), data_(data), bytes_(bytes) {}
    OpsMemory(OpsMemory&& other) noexcept { swap(other); }
    OpsMemory& operator=(OpsMemory&& other) noexcept {
        swap(other);
        return *this;
    }
    ~OpsMemory() = default;

    Ops* ops_ = nullptr;
    void* data_ = nullptr;

  private:
    void swap(OpsMemory& other) noexcept {
        std::swap(ops_, other.ops_);
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
    }
    size_t bytes_ = 0;
};

/// Owns bytes on a device, 256-byte aligned. Must not outlive its Ops.
class DeviceBuffer : public OpsMemory {
  public:
    DeviceBuffer() = default;
    DeviceBuffer(Ops* ops, void* data, size_t bytes) : OpsMemory(ops, data, bytes) {}
    DeviceBuffer(DeviceBuffer&&) noexcept = default;
    DeviceBuffer& operator=(DeviceBuffer&&) noexcept = default;
    ~DeviceBuffer();

    void* data() const { return data_; }
    template <class T>
    T* as() const {
        return static_cast<T*>(data_);
    }
};

/// Owns host bytes, 256-byte aligned, that a device copies from and to fastest. Must not outlive its Ops.
class HostBuffer : public OpsMemory {
  public:
    HostBuffer() = default;
    HostBuffer(Ops* ops, std::byte* data, size_t bytes) : OpsMemory(ops, data, bytes) {}
    HostBuffer(HostBuffer&&) noexcept = default;
    HostBuffer& operator=(HostBuffer&&) noexcept = default;
    ~HostBuffer();

    std::byte* data() const { return static_cast<std::byte*>(data_); }
};

/// One of several copies between a device and the host.
struct HostCopy {
    std::byte* device = nullptr;
    std::byte* host = nullptr;
    size_t bytes = 0;
};

/// A matrix [rows, columns] as a file stores it: `rows` rows of `rowBytes(dtype, columns)` bytes.
/// y = W x takes `columns` inputs to `rows` outputs. Not owned; the mapping must outlive the Weight.
struct HostMatrix {
    DType dtype = DType::F32;
    uint64_t rows = 0;
    uint64_t columns = 0;
    const std::byte* data = nullptr;
};

/// A matrix on a device, in whatever layout that device multiplies fastest. Must not outlive its Ops.
class Weight {
  public:
    virtual ~Weight() = default;
    virtual DType dtype() const = 0;
    virtual uint64_t rows() const = 0;
    virtual uint64_t columns() const = 0;
    virtual size_t deviceBytes() const = 0;  ///< bytes a whole read of it takes
};

/// Rows ready to be multiplied [capacityRows, width]: their form (floats, or int8 blocks with scales and
/// sums) is the device's business. Reused from step to step; rows are addressed from 0.
class Activations {
  public:
    virtual ~Activations() = default;
    virtual int capacityRows() const = 0;
    virtual int width() const = 0;
};

/// How many of a call's rows are decode or verify rows (they come first) and how many are prefill rows.
/// Devices may use different kernel families for the two; within a family a row's result is bit-identical.
struct RowSplit {
    int decode = 0;
    int prefill = 0;
    int total() const { return decode + prefill; }
};

/// One product out = in W^T (+ bias), `out` [rows, weight->rows()] with a row stride of `outStride` floats.
struct Projection {
    const Weight* weight = nullptr;
    float* out = nullptr;
    int outStride = 0;
    const float* bias = nullptr;  ///< [weight->rows()] or null
};

enum class GateKind : uint8_t { Silu, GeluTanh };
enum class RopePairs : uint8_t { Interleaved, Halves };  ///< (x0,x1)(x2,x3)… or (x0,xD/2)(x1,xD/2+1)…

/// Rotary embedding. angle(position, i) = position * inverseFrequency[i]; linear, YaRN and Llama 3 scaling
/// are all folded into `inverseFrequency`; `magnitude` multiplies sin and cos (YaRN's attention factor, else
/// 1).
struct Rope {
    RopePairs pairs = RopePairs::Halves;
    int dimensions = 0;                       ///< leading dimensions of a head that rotate
    const float* inverseFrequency = nullptr;  ///< [dimensions / 2]
    float magnitude = 1.0F;
};

enum class KvType : uint8_t { F32, F16, Q8_0, Q4_0 };

/// Bytes of one stored row of `headDim` values of that type (Q types: blocks of 32 with a half scale; how a
/// row arranges quants and scales is the device's business).
constexpr size_t kvRowBytes(KvType type, int headDim) {
    const auto values = static_cast<size_t>(headDim);
    switch (type) {
        case KvType::F32:
            return values * 4;
        case KvType::F16:
            return values * 2;
        case KvType::Q8_0:
            return values / 32 * 34;
        case KvType::Q4_0:
            return values / 32 * 18;
    }
    return 0;
}

/// The paged keys and values of one layer: [blocks][K|V][numKvHeads][blockTokens][headDim], i.e. within a
/// block all K rows, then all V rows; a head's rows are contiguous.
struct KvLayer {
    std::byte* base = nullptr;
    KvType type = KvType::F16;
    int numKvHeads = 0;
    int keyDim = 0;    ///< values in a key row
    int valueDim = 0;  ///< values in a value row
    int blockTokens = 0;

    constexpr size_t keyRowBytes() const { return kvRowBytes(type, keyDim); }
    constexpr size_t valueRowBytes() const { return kvRowBytes(type, valueDim); }
    constexpr size_t blockBytes() const {
        return static_cast<size_t>(numKvHeads) * static_cast<size_t>(blockTokens) *
               (keyRowBytes() + valueRowBytes());
    }
};

/// What the rows of a step are: `sequences` runs of consecutive rows. All arrays are device arrays.
struct StepRows {
    RowSplit rows;
    int sequences = 0;
    const int32_t* positions = nullptr;  ///< [rows] position of each row's token in its sequence
    const int32_t* rowStart = nullptr;   ///< [sequences + 1] first row of each sequence
    const int32_t* contextLength =
        nullptr;                 ///< [sequences] stored tokens of the sequence, these rows included
    int maxRowsPerSequence = 0;  ///< host-known bound, for launch shapes
    int maxContextLength = 0;    ///< host-known bound, for launch shapes
};

/// The blocks of each sequence for one group of layers, as CSR. Entry b of a sequence holds its tokens
/// [b * blockTokens, (b + 1) * blockTokens); -1 marks a block released because no window reaches it any more.
struct BlockTables {
    const int32_t* start = nullptr;   ///< [sequences + 1]
    const int32_t* blocks = nullptr;  ///< [start[sequences]]
    const int32_t* slots = nullptr;   ///< [rows] where each row's K and V go: block * blockTokens + offset
};

/// Bounds of the steps of a model, for what they need besides the caller's buffers.
struct StepBounds {
    int rows = 0;           ///< of a step
    int decodeRows = 0;     ///< of them, decode and verify rows
    int contextTokens = 0;  ///< of a sequence
    int numHeads = 0, valueDim = 0;
};

struct RopeStore {
    float* query = nullptr;                               ///< [rows, numHeads, keyDim], rotated in place
    float* key = nullptr;                                 ///< [rows, numKvHeads, keyDim]; may be overwritten
    const float* value = nullptr;                         ///< [rows, numKvHeads, valueDim]
    int queryStride = 0, keyStride = 0, valueStride = 0;  ///< floats from row to row
    int numHeads = 0;
    const float* queryNorm =
        nullptr;                     ///< [keyDim] per-head RMS norm before rotating (Qwen3, Gemma 3), or null
    const float* keyNorm = nullptr;  ///< likewise for keys
    float normEpsilon = 0.0F;
    RopePairs pairs = RopePairs::Halves;
    int dimensions = 0;                ///< of a rope: leading dimensions of a head that rotate
    const float* rotations = nullptr;  ///< [rows, dimensions / 2, 2] from Ops::rotations, of these rows
};

struct AttentionShape {
    int numHeads = 0;
    float scale = 0.0F;    ///< multiplies q . k
    int window = 0;        ///< 0: all earlier tokens; else token j is seen from i when i - j < window
    float softcap = 0.0F;  ///< 0: none; else c * tanh(score / c)
};

/// One row's choice of the next token; Ops::sample says in which order the fields apply. Temperature 0 is
/// argmax.
struct SamplingRow {
    float temperature = 0.0F;
    int topK = 0;  ///< 0: no limit
    float topP = 1.0F;
    float minP = 0.0F;
    float repeatPenalty = 1.0F;
    float presencePenalty = 0.0F;
    std::span<const int32_t> penalised;  ///< host memory; distinct token ids within the penalty window
    uint64_t seed = 0;
    uint64_t drawIndex = 0;  ///< index in the reply: the draw is a function of (seed, drawIndex, token) alone
    /// Device memory, or null: [chained] ids drawn ahead of this row, which the host need not know. They are
    /// penalised too; an id counts once, however often it stands there or in `penalised`.
    int32_t* chain = nullptr;
    int chained = 0;
    /// Device memory: where Ops::draw puts this row's id. Null: behind the chain.
    int32_t* drawn = nullptr;
    int candidates = 0;  ///< only ids below it are drawn; 0: all

    int32_t* drawTarget() const { return drawn != nullptr ? drawn : chain + chained; }
};

class Ops {
  public:
    virtual ~Ops() = default;

    virtual DeviceInfo info() const = 0;

    // --- memory -------------------------------------------------------------------------------------------
    /// Uninitialised bytes. Throws OutOfDeviceMemory.
    virtual DeviceBuffer allocate(size_t bytes) = 0;
    /// Copies host bytes to the device; the host bytes may change once it returns.
    virtual void upload(void* device, const void* host, size_t bytes) = 0;
    /// Waits for everything enqueued, then copies to the host.
    virtual void download(void* host, const void* device, size_t bytes) = 0;
    /// Device to device; the ranges must not overlap.
    virtual void copy(void* to, const void* from, size_t bytes) = 0;
    virtual void synchronize() = 0;

    /// Host memory for copies (page-locked where that makes them faster). Throws std::bad_alloc.
    virtual HostBuffer allocateHost(size_t bytes) {
        return {this, static_cast<std::byte*>(::operator new(bytes, std::align_val_t(256))), bytes};
    }
    /// Several downloads that wait once.
    virtual void downloadAll(std::span<const HostCopy> copies) {
        for (const HostCopy& copy : copies) download(copy.host, copy.device, copy.bytes);
    }
    /// Enqueues a download of a few bytes to `host`, memory of allocateHost. It may be read after awaitFetch
    /// of the returned number, and must live until then or until synchronize.
    virtual uint64_t fetch(std::byte* host, const void* device, size_t bytes) {
        download(host, device, bytes);
        return 0;
    }
    /// Waits for that fetch and what was enqueued before it, not for what was enqueued after it.
    virtual void awaitFetch(uint64_t fetch) { static_cast<void>(fetch); }
    /// Begins uploads that go on beside operations enqueued later, after those enqueued earlier. Device and
    /// host bytes must be left alone until isThere(the returned number), or on the device until awaitUploads.
    /// 0: they have taken effect.
    virtual uint64_t uploadAside(std::span<const HostCopy> copies) {
        for (const HostCopy& copy : copies) upload(copy.device, copy.host, copy.bytes);
        return 0;
    }
    /// Whether these uploads, and all begun before them, are done.
    virtual bool isThere(uint64_t uploads) {
        static_cast<void>(uploads);
        return true;
    }
    /// Operations enqueued from now on see all uploads begun so far; the host does not wait.
    virtual void awaitUploads() {}

    /// Whether operations return before they have taken effect, so that the host's clock says nothing about
    /// one of them.
    virtual bool runsAhead() const { return false; }

    /// Rows of a prompt up to which a step costs less than one more row would suggest.
    virtual int fewPromptRows() const { return 0; }

    /// Repacks a stored matrix for this device. Throws OutOfDeviceMemory. `source` may be read later too
    /// (CPU float path), so its mapping must outlive the weight.
    virtual std::unique_ptr<Weight> loadWeight(const HostMatrix& source) = 0;
    virtual std::unique_ptr<Activations> makeActivations(int capacityRows, int width) = 0;

    // --- planning -----------------------------------------------------------------------------------------
    /// Device bytes that a buffer, a weight, activations and the workspace of steps take, as the device gives
    /// memory out.
    virtual size_t bufferBytes(size_t bytes) const { return bytes; }
    virtual size_t weightBytes(DType type, uint64_t rows, uint64_t columns) const {
        return rows * rowBytes(type, columns);
    }
    virtual size_t activationBytes(int capacityRows, int width) const {
        return static_cast<size_t>(capacityRows) * static_cast<size_t>(width) *
               6;  // a float, a quant, scales
    }
    virtual size_t workspaceBytes(const StepBounds& bounds) const {
        static_cast<void>(bounds);
        return 0;
    }
    /// Takes that workspace now, so that no step within the bounds has to. Throws OutOfDeviceMemory.
    virtual void reserveWorkspace(const StepBounds& bounds) { static_cast<void>(bounds); }
    /// No more weights come for now: what only loading needs is given back.
    virtual void finishLoading() {}
    /// The most bytes that were gone from the device since it was opened, as its driver counts them: other
    /// programs' too, if they took some meanwhile. 0: this device is not asked.
    virtual size_t peakBytes() { return 0; }
    /// Enqueues one read of `bytes` (a multiple of 16) of device memory, for measuring how fast that is.
    virtual void readThrough(const void* device, size_t bytes) {
        static_cast<void>(device);
        static_cast<void>(bytes);
    }

    /// Enqueues `operations`. Equal keys must enqueue equal work: the same operations with the same
    /// arguments, only the contents of device memory may differ. A device may keep the work and replay it in
    /// one go. `operations` must not allocate, upload, download or wait.
    virtual void repeat(uint64_t key, const std::function<void()>& operations) {
        static_cast<void>(key);
        operations();
    }

    // --- operations ---------------------------------------------------------------------------------------
    /// out[r] = table[ids[r]] * scale, as floats. out [rows, table.columns()]. Ids must be within the table.
    virtual void embed(float* out, const Weight& table, const int32_t* ids, float scale, int rows) = 0;

    /// residual += branchNorm ? rmsNorm(branch) * branchNorm : branch   (skipped when `branch` is null), then
    /// out = rmsNorm(residual) * norm, in the form matmul takes. residual, branch [rows, width];
    /// norm, branchNorm [width]. rmsNorm(x) = x / sqrt(mean(x^2) + epsilon).
    virtual void addNorm(Activations& out, float* residual, const float* branch, const float* branchNorm,
                         const float* norm, float epsilon, int rows, int width) = 0;

    /// All projections of one input. `in` holds rows.total() rows of weight->columns() values.
    virtual void matmul(std::span<const Projection> projections, const Activations& in, RowSplit rows) = 0;

    /// The end of a branch: projection.out = in W^T (+ bias), then addNorm of all rows with that branch. A
    /// device may keep the branch to itself: what projection.out [rows, out.width()] holds afterwards is
    /// unspecified.
    virtual void projectAddNorm(Activations& out, float* residual, const Projection& projection,
                                const Activations& in, const float* branchNorm, const float* norm,
                                float epsilon, RowSplit rows) {
        matmul({&projection, 1}, in, rows);
        addNorm(out, residual, projection.out, branchNorm, norm, epsilon, rows.total(), out.width());
    }

    /// out = act(in gate^T) * (in up^T). out [rows, gate.rows()]; scratch [rows, 2 * gate.rows()] floats.
    virtual void gatedFfn(Activations& out, const Weight& gate, const Weight& up, const Activations& in,
                          GateKind kind, float* scratch, RowSplit rows) = 0;

    /// A rope's rotations at some positions: out [rows, rope.dimensions / 2, 2] cosines and sines times the
    /// rope's magnitude. Angles are exact, so position 1e6 is as good as position 1.
    virtual void rotations(float* out, const Rope& rope, const int32_t* positions, int rows) = 0;

    /// Per-head norms where given, rotation of queries and keys, then K and V into the layer's blocks.
    virtual void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows,
                           const BlockTables& tables) = 0;

    /// Causal attention through block tables. out [rows, numHeads * valueDim] ready for the output
    /// projection; query [rows, numHeads, keyDim] with `queryStride` floats from row to row. Head h reads KV
    /// head h / (numHeads / numKvHeads). Row r of a sequence sees its stored tokens 0 .. positions[r].
    /// Softmax in float, splits of a fixed number of tokens merged in ascending order.
    virtual void attention(Activations& out, const float* query, int queryStride, const KvLayer& layer,
                           const StepRows& rows, const BlockTables& tables, const AttentionShape& shape) = 0;

    /// ropeStore, then attention over what it stored. What `store.query` and `store.key` hold afterwards is
    /// unspecified.
    virtual void ropeAttention(Activations& out, const RopeStore& store, const KvLayer& layer,
                               const StepRows& rows, const BlockTables& tables, const AttentionShape& shape) {
        ropeStore(store, layer, rows, tables);
        attention(out, store.query, store.queryStride, layer, rows, tables, shape);
    }

    /// Picks rows of an activation: out[i] = in[index[i]]. Used to run the head only where logits are wanted.
    virtual void gatherRows(Activations& out, const Activations& in, const int32_t* index, int rows) = 0;

    /// Draws one token per row into `ids` (host memory) and waits. logits [rows, vocabulary] device floats;
    /// may be overwritten. Steps per row, each over what the step before left:
    ///   1. penalties on the tokens in `penalised` (logit > 0 ? logit / r : logit * r; then -
    ///   presencePenalty)
    ///   2. temperature 0: the largest logit, lowest id first; done
    ///   3. top-k, then top-p and min-p over softmax(logits) (the token that crosses top-p stays)
    ///   4. argmax(logit / temperature + Gumbel(seed, drawIndex, token)): an exact draw from the softmax at
    ///      that temperature, and the same draw whatever else runs or which tokens were filtered (used by
    ///      speculative decoding to couple draft and target).
    virtual void sample(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                        std::span<int32_t> ids) = 0;

    /// The same draws, enqueued: row i's id goes to rows[i].drawTarget() and nothing waits, so that a model
    /// can go on from its own draws without the host. The host's parts of `rows` may change once it returns.
    virtual void draw(const float* logits, int vocabulary, std::span<const SamplingRow> rows) = 0;

  protected:
    friend class DeviceBuffer;
    virtual void release(void* data, size_t bytes) noexcept = 0;
    friend class HostBuffer;
    virtual void releaseHost(std::byte* data, size_t bytes) noexcept {
        static_cast<void>(bytes);
        ::operator delete(data, std::align_val_t(256));
    }
};

inline HostBuffer::~HostBuffer() {
    if (data_ != nullptr) ops_->releaseHost(data(), bytes());
}

inline DeviceBuffer::~DeviceBuffer() {
    if (data_ != nullptr) ops_->release(data(), bytes());
}

}  // namespace kernels
