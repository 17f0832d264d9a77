// Each CUDA operation against the CPU's float path, over shapes, types and odd sizes, with fresh random
// inputs and poisoned outputs. Needs a card; tests/gpu/run says how.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cuda_plugin.h"
#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {
namespace {

// Tolerances on |out - ref|^2 / |ref|^2. Int8 activations in groups of 64 cost about 2e-5 to 1e-4 of it,
// bfloat16 ones 1e-5; rows of halves in attention 1e-6.
constexpr double kInt8Tolerance = 3e-4, kBf16Tolerance = 3e-5, kFloatTolerance = 1e-9, kHalfTolerance = 1e-5;

constexpr DType kAllTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q4_0,   DType::Q4_1,
                               DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q2_K,   DType::Q3_K,
                               DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS};

Ops& gpu() {
    static const std::unique_ptr<Ops> ops = makeCudaOps();
    return *ops;
}

Ops& cpu() {
    static const std::unique_ptr<Ops> ops = [] {
        CpuOptions options;
        options.compute = Compute::Float;
        return makeCpuOps(options);
    }();
    return *ops;
}

/// Fresh inputs on every run; the seed is printed so that a failure can be repeated with ALCOVE_TEST_SEED.
Random& random() {
    static Random generator = [] {
        const char* given = std::getenv("ALCOVE_TEST_SEED");
        const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
        std::printf("ALCOVE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
        return Random(seed);
    }();
    return generator;
}

std::vector<float> floats(size_t count, float deviation = 1.0F) {
    return randomFloats(count, deviation, random());
}

DeviceBuffer onDevice(Ops& ops, const void* data, size_t bytes) {
    DeviceBuffer buffer = ops.allocate(std::max<size_t>(bytes, 4));
    if (bytes > 0) ops.upload(buffer.data(), data, bytes);
    return buffer;
}
template <class T>
DeviceBuffer onDevice(Ops& ops, const std::vector<T>& values) {
    return onDevice(ops, values.data(), values.size() * sizeof(T));
}

/// Floats that no operation would write by itself.
DeviceBuffer poisoned(Ops& ops, size_t count) {
    return onDevice(ops, std::vector<float>(count, std::numeric_limits<float>::quiet_NaN()));
}

std::vector<float> read(Ops& ops, const DeviceBuffer& buffer, size_t count) {
    std::vector<float> values(count);
    ops.download(values.data(), buffer.data(), count * sizeof(float));
    return values;
}

/// `usual`: the mean square that inputs of this kind give; a few results that cancel must not count as large
/// errors.
double relativeError(const std::vector<float>& out, const std::vector<float>& reference, double usual = 0.0) {
    double difference = 0.0, size = 0.0;
    for (size_t i = 0; i < out.size(); ++i) {
        if (!std::isfinite(out[i])) return std::numeric_limits<double>::infinity();
        const double d = static_cast<double>(out[i]) - static_cast<double>(reference[i]);
        difference += d * d;
        size += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
    }
    const double scale = std::max(size, usual * static_cast<double>(out.size()));
    return scale > 0.0 ? difference / scale : difference;
}

struct StoredMatrix {
    StoredMatrix(DType type, int rowCount, int columnCount)
        : host{type, static_cast<uint64_t>(rowCount), static_cast<uint64_t>(columnCount), nullptr},
          bytes(randomElements(type, static_cast<size_t>(rowCount) * static_cast<size_t>(columnCount),
                               1.0F / std::sqrt(static_cast<float>(columnCount)), random())) {
        host.data = bytes.data();
    }
    StoredMatrix(const StoredMatrix&) = delete;
    HostMatrix host;
    std::vector<std::byte> bytes;
};

/// Rows normalised by addNorm with ones: the way every activation comes to be.
std::unique_ptr<Activations> normalised(Ops& ops, const std::vector<float>& values, int rows, int width) {
    auto out = ops.makeActivations(rows, width);
    const DeviceBuffer residual = onDevice(ops, values);
    const DeviceBuffer ones = onDevice(ops, std::vector<float>(static_cast<size_t>(width), 1.0F));
    ops.addNorm(*out, residual.as<float>(), nullptr, nullptr, ones.as<float>(), 1e-5F, rows, width);
    ops.synchronize();
    return out;
}

/// What activations hold, read through a product with the identity.
std::vector<float> valuesOf(Ops& ops, const Activations& activations, int rows) {
    const int width = activations.width();
    std::vector<float> identity(static_cast<size_t>(width) * static_cast<size_t>(width));
    for (int i = 0; i < width; ++i) identity[static_cast<size_t>(i) * static_cast<size_t>(width + 1)] = 1.0F;
    const auto weight =
        ops.loadWeight({DType::F32, static_cast<uint64_t>(width), static_cast<uint64_t>(width),
                        reinterpret_cast<const std::byte*>(identity.data())});
    const DeviceBuffer out = poisoned(ops, static_cast<size_t>(rows) * static_cast<size_t>(width));
    const Projection product{weight.get(), out.as<float>(), width, nullptr};
    ops.matmul({&product, 1}, activations, {rows, 0});
    return read(ops, out, static_cast<size_t>(rows) * static_cast<size_t>(width));
}

std::vector<float> product(Ops& ops, const StoredMatrix& matrix, const std::vector<float>& input,
                           RowSplit rows, const std::vector<float>* bias = nullptr) {
    const auto weight = ops.loadWeight(matrix.host);
    const auto width = static_cast<int>(matrix.host.columns), height = static_cast<int>(matrix.host.rows);
    const auto activations = normalised(ops, input, rows.total(), width);
    const size_t count = static_cast<size_t>(rows.total()) * static_cast<size_t>(height);
    const DeviceBuffer out = poisoned(ops, count);
    const DeviceBuffer biases = bias != nullptr ? onDevice(ops, *bias) : DeviceBuffer{};
    const Projection projection{weight.get(), out.as<float>(), height, biases.as<float>()};
    ops.matmul({&projection, 1}, *activations, rows);
    return read(ops, out, count);
}

class MatmulTest : public ::testing::TestWithParam<DType> {};

TEST_P(MatmulTest, DecodeRowsMatchTheCpuForEveryRowCountAndOddShape) {
    const bool isPlain = dtypeInfo(GetParam()).blockElements == 1;
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    for (const auto& [height, blocks] : {std::pair{1, 1}, {16, 2}, {33, 3}, {250, 7}, {1000, 5}}) {
        const StoredMatrix matrix(GetParam(), height, blocks * block);
        for (const int rows : {1, 2, 7, 8, 9, 16, 17, 40}) {
            const auto input = floats(static_cast<size_t>(rows * blocks * block));
            const auto bias = floats(static_cast<size_t>(height), 0.1F);
            // A handful of results strays further from the mean than many do.
            const double few = height * rows < 100 ? 10.0 : 1.0;
            EXPECT_LT(relativeError(product(gpu(), matrix, input, {rows, 0}, &bias),
                                    product(cpu(), matrix, input, {rows, 0}, &bias), 0.5),
                      few * (isPlain ? kBf16Tolerance : kInt8Tolerance))
                << dtypeInfo(GetParam()).name << ' ' << height << 'x' << blocks * block << ", " << rows
                << " rows";
        }
    }
}

TEST_P(MatmulTest, PrefillRowsMatchTheCpu) {
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    for (const auto& [height, blocks] : {std::pair{33, 3}, {250, 7}, {1000, 8}}) {
        const StoredMatrix matrix(GetParam(), height, blocks * block);
        for (const int rows : {1, 5, 64, 200}) {
            const auto input = floats(static_cast<size_t>(rows * blocks * block));
            const auto bias = floats(static_cast<size_t>(height), 0.1F);
            EXPECT_LT(relativeError(product(gpu(), matrix, input, {0, rows}, &bias),
                                    product(cpu(), matrix, input, {0, rows}, &bias)),
                      kBf16Tolerance)
                << dtypeInfo(GetParam()).name << ' ' << height << 'x' << blocks * block << ", " << rows
                << " rows";
        }
    }
}

TEST_P(MatmulTest, ARowIsTheSameBytesInAnyCompany) {
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    const int width = 9 * block, height = 200, most = 40;
    const StoredMatrix matrix(GetParam(), height, width);
    const auto input = floats(static_cast<size_t>(most * width));
    const auto all = product(gpu(), matrix, input, {most, 0});
    for (const int rows : {1, 3, 8, 11, 16, 25}) {
        const std::vector<float> fewer(input.begin(), input.begin() + rows * width);
        const auto some = product(gpu(), matrix, fewer, {rows, 0});
        EXPECT_EQ(0, std::memcmp(some.data(), all.data(), some.size() * sizeof(float))) << rows << " rows";
    }
    const auto prompt = product(gpu(), matrix, input, {0, most});
    for (const int rows : {1, 16, 33}) {
        const std::vector<float> fewer(input.begin(), input.begin() + rows * width);
        const auto chunk = product(gpu(), matrix, fewer, {0, rows});
        EXPECT_EQ(0, std::memcmp(chunk.data(), prompt.data(), chunk.size() * sizeof(float)))
            << "a prompt chunk of " << rows;
    }
    const auto mixed = product(gpu(), matrix, input, {5, most - 5});
    EXPECT_EQ(0, std::memcmp(mixed.data(), all.data(), static_cast<size_t>(5 * height) * sizeof(float)));
    EXPECT_EQ(0, std::memcmp(mixed.data() + 5 * height, prompt.data() + 5 * height,
                             static_cast<size_t>((most - 5) * height) * sizeof(float)));
}

TEST_P(MatmulTest, EmbeddingRowsAreExact) {
    const int block = std::max(32, dtypeInfo(GetParam()).blockElements);
    const StoredMatrix matrix(GetParam(), 61, 3 * block);
    const std::vector<int32_t> ids{0, 60, 7, 7, 33};
    const size_t count = ids.size() * static_cast<size_t>(3 * block);
    const auto rowsOf = [&](Ops& ops) {
        const auto table = ops.loadWeight(matrix.host);
        const DeviceBuffer out = poisoned(ops, count), at = onDevice(ops, ids);
        ops.embed(out.as<float>(), *table, at.as<int32_t>(), 1.5F, static_cast<int>(ids.size()));
        return read(ops, out, count);
    };
    EXPECT_LT(relativeError(rowsOf(gpu()), rowsOf(cpu())), kFloatTolerance);
}

INSTANTIATE_TEST_SUITE_P(EveryType, MatmulTest, ::testing::ValuesIn(kAllTypes),
                         [](const auto& type) { return std::string(dtypeInfo(type.param).name); });

TEST(CudaOps, SeveralProjectionsOfDifferentTypesShareAnInput) {
    const StoredMatrix a(DType::Q4_K, 300, 512), b(DType::Q4_K, 48, 512), c(DType::Q6_K, 48, 512);
    for (const RowSplit rows : {RowSplit{1, 0}, {3, 0}, {0, 20}, {2, 9}}) {
        const auto input = floats(static_cast<size_t>(rows.total() * 512));
        const auto run = [&](Ops& ops) {
            const std::unique_ptr<Weight> weights[] = {ops.loadWeight(a.host), ops.loadWeight(b.host),
                                                       ops.loadWeight(c.host)};
            const auto in = normalised(ops, input, rows.total(), 512);
            const size_t count = static_cast<size_t>(rows.total()) * 396;
            const DeviceBuffer out = poisoned(ops, count);
            const Projection products[] = {{weights[0].get(), out.as<float>(), 396, nullptr},
                                           {weights[1].get(), out.as<float>() + 300, 396, nullptr},
                                           {weights[2].get(), out.as<float>() + 348, 396, nullptr}};
            ops.matmul(products, *in, rows);
            return read(ops, out, count);
        };
        EXPECT_LT(relativeError(run(gpu()), run(cpu())), kInt8Tolerance)
            << rows.decode << '+' << rows.prefill;
    }
}

TEST(CudaOps, AddNormAddsTheBranchAndNormalises) {
    for (const int width : {32, 96, 576, 4096})
        for (const int rows : {1, 3, 65})
            for (const bool withBranch : {false, true})
                for (const bool withBranchNorm : {false, true}) {
                    const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(width);
                    const auto residual = floats(count), branch = floats(count, 0.3F),
                               norm = floats(static_cast<size_t>(width)),
                               branchNorm = floats(static_cast<size_t>(width));
                    std::vector<float> sums[2], outs[2];
                    for (const int which : {0, 1}) {
                        Ops& ops = which == 0 ? cpu() : gpu();
                        const auto out = ops.makeActivations(rows, width);
                        const DeviceBuffer x = onDevice(ops, residual), b = onDevice(ops, branch),
                                           n = onDevice(ops, norm), bn = onDevice(ops, branchNorm);
                        ops.addNorm(*out, x.as<float>(), withBranch ? b.as<float>() : nullptr,
                                    withBranch && withBranchNorm ? bn.as<float>() : nullptr, n.as<float>(),
                                    1e-5F, rows, width);
                        sums[which] = read(ops, x, count);
                        if (width <= 576) outs[which] = valuesOf(ops, *out, rows);
                    }
                    EXPECT_LT(relativeError(sums[1], sums[0]), kFloatTolerance) << width;
                    EXPECT_LT(relativeError(outs[1], outs[0]), kBf16Tolerance) << width;
                }
}

TEST(CudaOps, GatedFfnMatchesTheCpu) {
    const StoredMatrix gate(DType::Q4_K, 352, 512), up(DType::Q4_K, 352, 512);
    for (const GateKind kind : {GateKind::Silu, GateKind::GeluTanh})
        for (const RowSplit rows : {RowSplit{1, 0}, {5, 0}, {0, 33}, {3, 7}}) {
            const auto input = floats(static_cast<size_t>(rows.total() * 512));
            const auto run = [&](Ops& ops) {
                const auto gates = ops.loadWeight(gate.host), ups = ops.loadWeight(up.host);
                const auto in = normalised(ops, input, rows.total(), 512);
                const auto out = ops.makeActivations(rows.total(), 352);
                const DeviceBuffer scratch = poisoned(ops, static_cast<size_t>(rows.total()) * 2 * 352);
                ops.gatedFfn(*out, *gates, *ups, *in, kind, scratch.as<float>(), rows);
                return valuesOf(ops, *out, rows.total());
            };
            EXPECT_LT(relativeError(run(gpu()), run(cpu())), 2 * kInt8Tolerance);
        }
}

TEST(CudaOps, GatherPicksRows) {
    const auto input = floats(static_cast<size_t>(20 * 160));
    const std::vector<int32_t> index{19, 0, 7, 7};
    const auto run = [&](Ops& ops) {
        const auto in = normalised(ops, input, 20, 160);
        const auto out = ops.makeActivations(4, 160);
        const DeviceBuffer at = onDevice(ops, index);
        ops.gatherRows(*out, *in, at.as<int32_t>(), 4);
        return valuesOf(ops, *out, 4);
    };
    EXPECT_LT(relativeError(run(gpu()), run(cpu())), kBf16Tolerance);
}

// --- attention
// ------------------------------------------------------------------------------------------------------

struct AttentionCase {
    KvType kvType;
    int numHeads, numKvHeads, dim;
    int window = 0;
    float softcap = 0.0F;
    RopePairs pairs = RopePairs::Halves;
    bool norms = false;
};

/// Sequences with a history, each given some new rows in one step, their blocks scattered over the pool.
struct AttentionWorld {
    struct Sequence {
        int stored, rows;
    };
    AttentionCase shape;
    std::vector<Sequence> sequences;
    RowSplit split;
    static constexpr int kBlockTokens = 16;

    int width() const { return (shape.numHeads + 2 * shape.numKvHeads) * shape.dim; }

    /// Stores the histories and the new rows through ropeStore, then attends: values of every new row.
    std::vector<float> run(Ops& ops, const std::vector<std::vector<float>>& tokens,
                           bool chunked = false) const {
        int totalBlocks = 0, longest = 0;
        for (const Sequence& s : sequences) {
            totalBlocks += (s.stored + s.rows + kBlockTokens - 1) / kBlockTokens;
            longest = std::max(longest, s.stored + s.rows);
        }
        KvLayer layer{nullptr, shape.kvType, shape.numKvHeads, shape.dim, shape.dim, kBlockTokens};
        const DeviceBuffer pool = ops.allocate(layer.blockBytes() * static_cast<size_t>(totalBlocks + 3));
        layer.base = pool.as<std::byte>();
        std::vector<float> frequencies;
        for (int i = 0; i < shape.dim / 2; ++i)
            frequencies.push_back(
                std::pow(10000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(shape.dim)));
        const DeviceBuffer inverse = onDevice(ops, frequencies);
        const DeviceBuffer queryNorm =
            onDevice(ops, std::vector<float>(static_cast<size_t>(shape.dim), 1.2F));
        // Blocks of a sequence jump about the pool.
        std::vector<std::vector<int32_t>> blocks;
        int next = 0;
        for (const Sequence& s : sequences) {
            blocks.emplace_back();
            for (int b = 0; b < (s.stored + s.rows + kBlockTokens - 1) / kBlockTokens; ++b)
                blocks.back().push_back(totalBlocks + 2 - next++);
        }
        const auto step = [&](const std::vector<std::pair<int, int>>& ranges, RowSplit rows,
                              Activations* out) {
            std::vector<float> projected;
            std::vector<int32_t> positions, starts{0}, lengths, tableStart{0}, table, slots;
            int most = 0;
            for (size_t s = 0; s < sequences.size(); ++s) {
                const auto [first, count] = ranges[s];
                if (count == 0) continue;
                for (int t = first; t < first + count; ++t) {
                    positions.push_back(t);
                    slots.push_back(blocks[s][static_cast<size_t>(t / kBlockTokens)] * kBlockTokens +
                                    t % kBlockTokens);
                    const auto from = tokens[s].begin() + static_cast<std::ptrdiff_t>(t) * width();
                    projected.insert(projected.end(), from, from + width());
                }
                starts.push_back(static_cast<int32_t>(positions.size()));
                lengths.push_back(first + count);
                table.insert(table.end(), blocks[s].begin(), blocks[s].end());
                tableStart.push_back(static_cast<int32_t>(table.size()));
                most = std::max(most, count);
            }
            const DeviceBuffer x = onDevice(ops, projected), p = onDevice(ops, positions),
                               r = onDevice(ops, starts), c = onDevice(ops, lengths),
                               ts = onDevice(ops, tableStart), tb = onDevice(ops, table),
                               sl = onDevice(ops, slots);
            StepRows stepRows{rows,
                              static_cast<int>(lengths.size()),
                              p.as<int32_t>(),
                              r.as<int32_t>(),
                              c.as<int32_t>(),
                              most,
                              longest};
            const BlockTables tables{ts.as<int32_t>(), tb.as<int32_t>(), sl.as<int32_t>()};
            RopeStore store;
            store.query = x.as<float>();
            store.key = store.query + shape.numHeads * shape.dim;
            store.value = store.key + shape.numKvHeads * shape.dim;
            store.queryStride = store.keyStride = store.valueStride = width();
            store.numHeads = shape.numHeads;
            if (shape.norms) store.queryNorm = store.keyNorm = queryNorm.as<float>();
            store.normEpsilon = 1e-5F;
            store.rope = {shape.pairs, shape.dim, inverse.as<float>(), 1.0F};
            ops.ropeStore(store, layer, stepRows, tables);
            if (out != nullptr)
                ops.attention(*out, x.as<float>(), width(), layer, stepRows, tables,
                              {shape.numHeads, 1.0F / std::sqrt(static_cast<float>(shape.dim)), shape.window,
                               shape.softcap});
            ops.synchronize();
        };
        std::vector<std::pair<int, int>> history, fresh;
        int historyRows = 0;
        for (const Sequence& s : sequences) {
            history.push_back({0, s.stored});
            fresh.push_back({s.stored, s.rows});
            historyRows += s.stored;
        }
        if (historyRows > 0) step(history, {0, historyRows}, nullptr);
        const int outWidth = shape.numHeads * shape.dim;
        if (!chunked) {
            const auto out = ops.makeActivations(split.total(), outWidth);
            step(fresh, split, out.get());
            return valuesOf(ops, *out, split.total());
        }
        // The first sequence's new rows one after the other in prefill chunks of 1, 2, 3, …
        std::vector<float> values;
        for (int done = 0, chunk = 1; done < sequences[0].rows; done += chunk++) {
            const int count = std::min(chunk, sequences[0].rows - done);
            std::vector<std::pair<int, int>> part(sequences.size(), {0, 0});
            part[0] = {sequences[0].stored + done, count};
            const auto out = ops.makeActivations(count, outWidth);
            step(part, {0, count}, out.get());
            const auto rows = valuesOf(ops, *out, count);
            values.insert(values.end(), rows.begin(), rows.end());
        }
        return values;
    }

    std::vector<std::vector<float>> makeTokens() const {
        std::vector<std::vector<float>> tokens;
        for (const Sequence& s : sequences)
            tokens.push_back(floats(static_cast<size_t>((s.stored + s.rows) * width())));
        return tokens;
    }
};

class AttentionTest : public ::testing::TestWithParam<AttentionCase> {
  public:
    /// The cache's own rounding is the same on both sides but where a value falls on a border.
    static double tolerance() {
        switch (GetParam().kvType) {
            case KvType::Q8_0:
                return 1e-4;
            case KvType::Q4_0:
                return 1e-3;
            default:
                return kHalfTolerance * 3;
        }
    }
};

TEST_P(AttentionTest, DecodeRowsMatchTheCpu) {
    const AttentionWorld world{GetParam(), {{0, 1}, {1, 1}, {15, 1}, {16, 1}, {300, 1}, {1000, 1}}, {6, 0}};
    const auto tokens = world.makeTokens();
    EXPECT_LT(relativeError(world.run(gpu(), tokens), world.run(cpu(), tokens)), tolerance());
}

TEST_P(AttentionTest, PrefillRowsMatchTheCpu) {
    const AttentionWorld world{GetParam(), {{0, 100}, {37, 70}, {700, 3}}, {0, 173}};
    const auto tokens = world.makeTokens();
    EXPECT_LT(relativeError(world.run(gpu(), tokens), world.run(cpu(), tokens)), tolerance());
}

TEST_P(AttentionTest, VerifyRowsBesideAPromptMatchTheCpu) {
    const AttentionWorld world{GetParam(), {{500, 4}, {20, 1}, {0, 40}}, {5, 40}};
    const auto tokens = world.makeTokens();
    EXPECT_LT(relativeError(world.run(gpu(), tokens), world.run(cpu(), tokens)), tolerance());
}

TEST_P(AttentionTest, ADecodeRowIsTheSameBytesAloneAndInCompany) {
    const AttentionWorld together{GetParam(), {{700, 3}, {300, 1}, {5, 1}}, {5, 0}};
    const auto tokens = together.makeTokens();
    const auto all = together.run(gpu(), tokens);
    const AttentionWorld alone{GetParam(), {{702, 1}}, {1, 0}};
    const auto one = alone.run(gpu(), {tokens[0]});
    EXPECT_EQ(0, std::memcmp(one.data(), all.data() + 2 * one.size(), one.size() * sizeof(float)));
}

TEST_P(AttentionTest, APromptRowIsTheSameBytesForEveryChunking) {
    const AttentionWorld world{GetParam(), {{90, 60}}, {0, 60}};
    const auto tokens = world.makeTokens();
    const auto whole = world.run(gpu(), tokens), chunks = world.run(gpu(), tokens, true);
    EXPECT_EQ(0, std::memcmp(whole.data(), chunks.data(), whole.size() * sizeof(float)))
        << "they differ by " << relativeError(chunks, whole);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionTest,
    ::testing::Values(AttentionCase{KvType::F16, 4, 4, 64}, AttentionCase{KvType::F16, 9, 3, 64},
                      AttentionCase{KvType::F16, 8, 1, 128},
                      AttentionCase{KvType::F16, 32, 8, 128, 0, 0.0F, RopePairs::Interleaved},
                      AttentionCase{KvType::F16, 14, 2, 64}, AttentionCase{KvType::F16, 4, 1, 256, 512},
                      AttentionCase{KvType::F16, 4, 2, 96, 40, 0.0F, RopePairs::Halves, true},
                      AttentionCase{KvType::F16, 4, 2, 64, 0, 20.0F}, AttentionCase{KvType::F32, 4, 2, 64},
                      AttentionCase{KvType::Q8_0, 8, 2, 128}, AttentionCase{KvType::Q8_0, 4, 1, 64, 100},
                      AttentionCase{KvType::Q4_0, 8, 2, 128}, AttentionCase{KvType::Q4_0, 3, 3, 64}));

// --- sampling
// -------------------------------------------------------------------------------------------------------

TEST(CudaSampling, DrawsTheCpusToken) {
    for (const int vocabulary : {40, 1000, 32000, 128256}) {
        std::vector<SamplingRow> rows;
        const std::vector<int32_t> penalised{3, 9, 17};
        const auto add = [&](float temperature, int topK, float topP, float minP, float repeat) {
            SamplingRow row;
            row.temperature = temperature;
            row.topK = topK;
            row.topP = topP;
            row.minP = minP;
            row.repeatPenalty = repeat;
            if (repeat != 1.0F) row.penalised = penalised;
            row.seed = random().next();
            row.drawIndex = rows.size();
            rows.push_back(row);
        };
        add(0.0F, 0, 1.0F, 0.0F, 1.0F);
        add(0.0F, 0, 1.0F, 0.0F, 1.3F);
        for (int i = 0; i < 4; ++i) {
            add(0.8F, 0, 1.0F, 0.0F, 1.0F);
            add(1.3F, 40, 1.0F, 0.0F, 1.0F);
            add(0.8F, 0, 0.9F, 0.0F, 1.0F);
            add(1.0F, 0, 1.0F, 0.05F, 1.1F);
            add(0.7F, 20, 0.95F, 0.02F, 1.1F);
        }
        const size_t count = rows.size() * static_cast<size_t>(vocabulary);
        const auto logits = floats(count, 3.0F);
        std::vector<int32_t> drawn[2];
        for (const int which : {0, 1}) {
            Ops& ops = which == 0 ? cpu() : gpu();
            const DeviceBuffer device = onDevice(ops, logits);
            drawn[which].assign(rows.size(), -1);
            ops.sample(device.as<float>(), vocabulary, rows, drawn[which]);
        }
        EXPECT_EQ(drawn[1], drawn[0]) << "vocabulary " << vocabulary;
    }
}

TEST(CudaSampling, ChainsOfDrawsAreTheOnesOfTheCpu) {
    constexpr int kVocabulary = 3000, kDraws = 9, kRows = 3;
    const std::vector<int32_t> known{3, 7, 2999};
    std::vector<int32_t> chains[2];
    std::vector<std::vector<float>> logits;
    for (int draw = 0; draw < kDraws; ++draw)
        logits.push_back(draw % 3 == 0 ? floats(size_t{kRows} * kVocabulary, 3.0F) : logits.back());
    for (const int which : {0, 1}) {
        Ops& ops = which == 0 ? cpu() : gpu();
        chains[which].assign(size_t{kRows} * kDraws, -1);
        const DeviceBuffer chain = onDevice(ops, chains[which]);
        for (int draw = 0; draw < kDraws; ++draw) {
            const DeviceBuffer device = onDevice(ops, logits[static_cast<size_t>(draw)]);
            std::vector<SamplingRow> rows(kRows);
            for (int r = 0; r < kRows; ++r) {
                SamplingRow& row = rows[static_cast<size_t>(r)];
                row.temperature = r == 0 ? 0.0F : 0.8F;
                row.topP = r == 2 ? 0.9F : 1.0F;
                row.presencePenalty = r == 1 ? -3.0F : 1.0F;
                row.repeatPenalty = 1.1F;
                row.candidates = r == 2 ? 2500 : 0;
                row.penalised = known;
                row.seed = 11;
                row.drawIndex = static_cast<uint64_t>(draw);
                row.chain = chain.as<int32_t>() + r * kDraws;
                row.chained = draw;
            }
            ops.draw(device.as<float>(), kVocabulary, rows);
        }
        ops.download(chains[which].data(), chain.data(), chains[which].size() * sizeof(int32_t));
    }
    EXPECT_EQ(chains[1], chains[0]);
}

TEST(CudaSampling, EqualLogitsGoToTheLowestId) {
    std::vector<float> logits(5000, -1.0F);
    logits[1234] = logits[4321] = logits[777] = 2.5F;
    const DeviceBuffer device = onDevice(gpu(), logits);
    const SamplingRow row;
    std::vector<int32_t> ids{-1};
    gpu().sample(device.as<float>(), 5000, {&row, 1}, ids);
    EXPECT_EQ(ids[0], 777);
}

TEST(CudaOps, AnAllocationLargerThanTheCardSaysWhatWasAskedAndFree) {
    try {
        (void)gpu().allocate(size_t{1} << 46);
        FAIL() << "64 TiB were given";
    } catch (const OutOfDeviceMemory& shortage) {
        EXPECT_NE(std::string(shortage.what()).find("MiB free"), std::string::npos);
    }
    const auto values = floats(100);
    EXPECT_EQ(read(gpu(), onDevice(gpu(), values), 100), values) << "the card still works";
}

}  // namespace
}  // namespace kernels::testing
