#include "kernels/cpu/cpu_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <new>
#include <thread>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/packed_matrix.h"
#include "kernels/cpu/simd_kernels.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/sampling.h"

namespace kernels {
namespace {

using detail::CpuActivations;

/// A matrix as stored (float products read it) and, for quantised types in integer mode, packed.
class CpuWeight final : public Weight {
  public:
    explicit CpuWeight(const HostMatrix& stored) : stored_(stored) {}
    DType dtype() const override { return stored_.dtype; }
    uint64_t rows() const override { return stored_.rows; }
    uint64_t columns() const override { return stored_.columns; }
    size_t deviceBytes() const override {
        return isPacked() ? packed_.tileBytes * static_cast<size_t>(packed_.rowTiles)
                          : stored_.rows * rowBytes(stored_.dtype, stored_.columns);
    }
    bool isPacked() const { return packed_.data != nullptr; }
    const HostMatrix& stored() const { return stored_; }
    const detail::PackedMatrix& packed() const { return packed_; }
    void setPacked(detail::PackedMatrix packed) { packed_ = std::move(packed); }
    const std::byte* row(uint64_t index) const {
        return stored_.data + index * rowBytes(stored_.dtype, stored_.columns);
    }

  private:
    HostMatrix stored_;
    detail::PackedMatrix packed_;
};

const CpuWeight& weightOf(const Weight& weight) {
    return static_cast<const CpuWeight&>(weight);
}
CpuActivations& cpu(Activations& activations) {
    return static_cast<CpuActivations&>(activations);
}
const CpuActivations& cpu(const Activations& activations) {
    return static_cast<const CpuActivations&>(activations);
}

float activate(float x, GateKind kind) {
    if (kind == GateKind::Silu) return x / (1.0F + std::exp(-x));
    return 0.5F * x * (1.0F + std::tanh(0.7978845608028654F * (x + 0.044715F * x * x * x)));
}

/// 1 / root mean square, summed in double: rows are short beside the products.
float inverseRms(const float* x, int width, float epsilon) {
    double squares = 0.0;
    for (int k = 0; k < width; ++k) squares += static_cast<double>(x[k]) * static_cast<double>(x[k]);
    return static_cast<float>(1.0 / std::sqrt(squares / width + static_cast<double>(epsilon)));
}

size_t memInfoBytes(const char* field) {
    std::ifstream file("/proc/meminfo");
    std::string name, unit;
    size_t kib = 0;
    while (file >> name >> kib >> unit)
        if (name == field) return kib * 1024;
    return 0;
}

std::string processorName() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "CPU";
}

const char* toString(Isa isa) {
    switch (isa) {
        case Isa::Avx512Vnni:
            return "AVX-512 VNNI";
        case Isa::AvxVnni:
            return "AVX-VNNI";
        case Isa::Avx2:
            return "AVX2";
        case Isa::Portable:
            return "portable";
    }
    return "";
}

class CpuOps final : public Ops {
  public:
    explicit CpuOps(const CpuOptions& options)
        : compute_(options.compute),
          simd_(detail::simdKernels(options.forceIsa ? options.isa : detectIsa())),
          pool_(options.threads > 0 ? options.threads
                                    : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {}

    DeviceInfo info() const override {
        const std::string name = processorName() + ", " + std::to_string(pool_.threads()) +
                                 (pool_.threads() == 1 ? " thread, " : " threads, ") + toString(simd_.isa);
        return {"cpu", name, memInfoBytes("MemTotal:"), memInfoBytes("MemAvailable:")};
    }

    DeviceBuffer allocate(size_t bytes) override {
        void* data = ::operator new[](bytes, std::align_val_t{256}, std::nothrow);
        if (data == nullptr)
            throw OutOfDeviceMemory("no memory for " + std::to_string(bytes >> 20) +
                                    " MiB; close other programs or choose a smaller model or context");
        return {this, data, bytes};
    }
    void upload(void* device, const void* host, size_t bytes) override { std::memcpy(device, host, bytes); }
    void download(void* host, const void* device, size_t bytes) override { std::memcpy(host, device, bytes); }
    void copy(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
    void synchronize() override {}

    std::unique_ptr<Weight> loadWeight(const HostMatrix& source) override {
        auto weight = std::make_unique<CpuWeight>(source);
        if (compute_ == Compute::Float || !detail::isQuantised(source.dtype)) return weight;
        detail::PackedMatrix packed = detail::allocatePacked(source);
        pool_.run(packed.rowTiles, [&](int tile) { detail::packTile(packed, source, tile); });
        weight->setPacked(std::move(packed));
        return weight;
    }
    std::unique_ptr<Activations> makeActivations(int capacityRows, int width) override {
        return std::make_unique<CpuActivations>(capacityRows, width);
    }

    void embed(float* out, const Weight& table, const int32_t* ids, float scale, int rows) override {
        const CpuWeight& weight = weightOf(table);
        const uint64_t columns = weight.columns();
        pool_.run(rows, [&](int row) {
            float* to = out + static_cast<size_t>(row) * columns;
            dequantizeRow(weight.dtype(), weight.row(static_cast<uint64_t>(ids[row])), to, columns);
            for (uint64_t k = 0; k < columns; ++k) to[k] *= scale;
        });
    }

    void addNorm(Activations& out, float* residual, const float* branch, const float* branchNorm,
                 const float* norm, float epsilon, int rows, int width) override {
        pool_.run(rows, [&](int row) {
            const size_t offset = static_cast<size_t>(row) * static_cast<size_t>(width);
            float* x = residual + offset;
            if (branch != nullptr) {
                const float scale =
                    branchNorm != nullptr ? inverseRms(branch + offset, width, epsilon) : 1.0F;
                for (int k = 0; k < width; ++k)
                    x[k] += branch[offset + static_cast<size_t>(k)] *
                            (branchNorm != nullptr ? scale * branchNorm[k] : 1.0F);
            }
            const float scale = inverseRms(x, width, epsilon);
            float* to = cpu(out).floats(row);
            for (int k = 0; k < width; ++k) to[k] = x[k] * scale * norm[k];
            quantise(cpu(out), row);
        });
    }

    void matmul(std::span<const Projection> projections, const Activations& in, RowSplit rows) override {
        // Parts are tiles of 16 matrix rows; tiles of all projections form one list.
        std::vector<int> firstPart(projections.size() + 1, 0);
        for (size_t i = 0; i < projections.size(); ++i)
            firstPart[i + 1] = firstPart[i] + tilesOf(projections[i]);
        pool_.run(chunksOf(firstPart.back()), [&](int chunk) {
            for (int part = chunk * kTilesPerPart;
                 part < std::min(firstPart.back(), (chunk + 1) * kTilesPerPart); ++part) {
                const auto which = static_cast<size_t>(
                    std::upper_bound(firstPart.begin(), firstPart.end(), part) - firstPart.begin() - 1);
                multiplyTile(projections[which], part - firstPart[which], cpu(in), rows.total());
            }
        });
    }

    void gatedFfn(Activations& out, const Weight& gate, const Weight& up, const Activations& in,
                  GateKind kind, float* scratch, RowSplit rows) override {
        const int width = out.width();
        const Projection products[] = {{&gate, scratch, 2 * width, nullptr},
                                       {&up, scratch + width, 2 * width, nullptr}};
        matmul(products, in, rows);
        pool_.run(rows.total(), [&](int row) {
            const float* gates = scratch + static_cast<size_t>(row) * 2 * static_cast<size_t>(width);
            float* to = cpu(out).floats(row);
            for (int k = 0; k < width; ++k) to[k] = activate(gates[k], kind) * gates[width + k];
            quantise(cpu(out), row);
        });
    }

    void rotations(float* out, const Rope& rope, const int32_t* positions, int rows) override {
        detail::rotations(out, rope, positions, rows, pool_);
    }

    void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows,
                   const BlockTables& tables) override {
        detail::ropeStore(args, layer, rows, tables, simd_, pool_);
    }

    void attention(Activations& out, const float* query, int queryStride, const KvLayer& layer,
                   const StepRows& rows, const BlockTables& tables, const AttentionShape& shape) override {
        detail::attend(cpu(out), query, queryStride, layer, rows, tables, shape, simd_, pool_);
        pool_.run(rows.rows.total(), [&](int row) { quantise(cpu(out), row); });
    }

    void gatherRows(Activations& out, const Activations& in, const int32_t* index, int rows) override {
        for (int row = 0; row < rows; ++row) {
            std::copy_n(cpu(in).floats(index[row]), in.width(), cpu(out).floats(row));
            quantise(cpu(out), row);
        }
    }

    void sample(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                std::span<int32_t> ids) override {
        drawEach(logits, vocabulary, rows, [&](size_t row) -> int32_t& { return ids[row]; });
    }

    void draw(const float* logits, int vocabulary, std::span<const SamplingRow> rows) override {
        drawEach(logits, vocabulary, rows, [&](size_t row) -> int32_t& { return *rows[row].drawTarget(); });
    }

  protected:
    void release(void* data, size_t) noexcept override { ::operator delete[](data, std::align_val_t{256}); }

  private:
    static constexpr int kTilesPerPart = 4;  ///< tiles a thread takes at a time: 64 rows, tens of kilobytes

    template <class Place>
    void drawEach(const float* logits, int vocabulary, std::span<const SamplingRow> rows, Place place) {
        pool_.run(static_cast<int>(rows.size()), [&](int row) {
            const auto at = static_cast<size_t>(row), width = static_cast<size_t>(vocabulary);
            place(at) = sampleToken({const_cast<float*>(logits) + at * width, width}, rows[at]);
        });
    }

    static int chunksOf(int tiles) { return (tiles + kTilesPerPart - 1) / kTilesPerPart; }
    static int tilesOf(const Projection& p) {
        return (static_cast<int>(p.weight->rows()) + detail::kTileRows - 1) / detail::kTileRows;
    }

    void quantise(CpuActivations& x, int row) const {
        if (compute_ == Compute::Int8) simd_.quantiseRow(x, row);
    }

    void multiplyTile(const Projection& p, int tile, const CpuActivations& x, int rows) const {
        const CpuWeight& weight = weightOf(*p.weight);
        const int first = tile * detail::kTileRows,
                  count = std::min(detail::kTileRows, static_cast<int>(weight.rows()) - first);
        if (!weight.isPacked()) return multiplyFloats(p, weight, first, count, x, rows);
        // Full tiles are written in place; the last one of a matrix may be shorter than a vector.
        constexpr int kAtATime = 64;
        float results[kAtATime * detail::kTileRows];
        for (int row = 0; row < rows; row += kAtATime) {
            const int now = std::min(kAtATime, rows - row);
            simd_.tileProduct(weight.packed(), tile, x, row, now, results, detail::kTileRows);
            for (int r = 0; r < now; ++r)
                writeTile(p, row + r, first, count, results + static_cast<size_t>(r) * detail::kTileRows);
        }
    }

    static void writeTile(const Projection& p, int row, int first, int count, const float* results) {
        float* to = p.out + static_cast<size_t>(row) * static_cast<size_t>(p.outStride) + first;
        for (int i = 0; i < count; ++i)
            to[i] = p.bias != nullptr ? results[i] + p.bias[first + i] : results[i];
    }

    void multiplyFloats(const Projection& p, const CpuWeight& weight, int first, int count,
                        const CpuActivations& x, int rows) const {
        const uint64_t columns = weight.columns();
        const auto rowCount = static_cast<size_t>(rows);
        std::vector<float> values(columns), sums(rowCount);
        std::vector<const float*> inputs(rowCount);
        for (size_t row = 0; row < rowCount; ++row) inputs[row] = x.floats(static_cast<int>(row));
        for (int i = 0; i < count; ++i) {
            const std::byte* stored = weight.row(static_cast<uint64_t>(first + i));
            if (weight.dtype() == DType::F16) {
                simd_.halvesToFloats(values.data(), reinterpret_cast<const uint16_t*>(stored), columns);
            } else {
                dequantizeRow(weight.dtype(), stored, values.data(), columns);
            }
            simd_.dots(sums.data(), values.data(), inputs.data(), rows, columns);
            const float bias = p.bias != nullptr ? p.bias[first + i] : 0.0F;
            for (size_t row = 0; row < rowCount; ++row)
                p.out[row * static_cast<size_t>(p.outStride) + static_cast<size_t>(first + i)] =
                    sums[row] + bias;
        }
    }

    Compute compute_;
    const detail::SimdKernels& simd_;
    detail::ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Ops> makeCpuOps(const CpuOptions& options) {
    return std::make_unique<CpuOps>(options);
}

}  // namespace kernels
