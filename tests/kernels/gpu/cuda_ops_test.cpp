// Row operations and memory on the GPU against the CPU's float path, over odd sizes, with fresh random inputs
// and poisoned outputs. Needs a card; tests/gpu/run says how.
#include <array>

#include "tests/kernels/gpu/cuda_harness.h"

namespace kernels::testing {
namespace {

/// Q, K and V of the usual mixes: pairs of types that share a launch, and others that do not. Few prompt rows
/// read the packed matrices from the second time on.
TEST(CudaOps, SeveralProjectionsOfDifferentTypesShareAnInput) {
    const std::array<DType, 3> mixes[] = {
        {DType::Q4_K, DType::Q4_K, DType::Q6_K}, {DType::Q4_K, DType::Q4_K, DType::Q5_K},
        {DType::Q5_K, DType::Q5_K, DType::Q6_K}, {DType::Q6_K, DType::Q6_K, DType::Q6_K},
        {DType::Q3_K, DType::Q3_K, DType::Q5_K}, {DType::Q8_0, DType::F16, DType::Q4_0},
        {DType::Q4_K, DType::Q6_K, DType::Q6_K}};
    constexpr int kWidth = 2304, kStride = 1220;
    for (const auto& mix : mixes) {
        const StoredMatrix a(mix[0], 600, kWidth), b(mix[1], 320, kWidth), c(mix[2], 300, kWidth);
        for (const RowSplit rows : {RowSplit{1, 0}, {3, 0}, {16, 0}, {0, 20}, {2, 9}, {0, 45}}) {
            const auto input = floats(static_cast<size_t>(rows.total() * kWidth));
            const auto bias = floats(600, 0.2F);
            const auto run = [&](Ops& ops) {
                const std::unique_ptr<Weight> weights[] = {ops.loadWeight(a.host), ops.loadWeight(b.host),
                                                           ops.loadWeight(c.host)};
                const auto in = normalised(ops, input, rows.total(), kWidth);
                const size_t count = static_cast<size_t>(rows.total()) * kStride;
                const DeviceBuffer out = poisoned(ops, count), biases = onDevice(ops, bias);
                const Projection products[] = {
                    {weights[0].get(), out.as<float>(), kStride, biases.as<float>()},
                    {weights[1].get(), out.as<float>() + 600, kStride, nullptr},
                    {weights[2].get(), out.as<float>() + 920, kStride, nullptr}};
                ops.matmul(products, *in, rows);
                return read(ops, out, count);
            };
            EXPECT_LT(relativeError(run(gpu()), run(cpu())), kInt8Tolerance)
                << dtypeInfo(mix[0]).name << dtypeInfo(mix[2]).name << ' ' << rows.decode << '+'
                << rows.prefill;
        }
    }
}

TEST(CudaOps, AddNormAddsTheBranchAndNormalises) {
    for (const int width : {32, 96, 576, 4096, 5120, 8224})
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
    struct Shape {
        DType gate, up;
        int width, height;
    };
    for (const Shape& shape : {Shape{DType::Q4_K, DType::Q4_K, 512, 352},
                               {DType::Q4_1, DType::Q4_1, 576, 1536},
                               {DType::Q8_0, DType::Q5_0, 96, 32},
                               {DType::IQ4_XS, DType::IQ4_XS, 256, 1056},
                               {DType::F16, DType::F16, 160, 224}}) {
        const StoredMatrix gate(shape.gate, shape.height, shape.width),
            up(shape.up, shape.height, shape.width);
        for (const GateKind kind : {GateKind::Silu, GateKind::GeluTanh})
            for (const RowSplit rows : {RowSplit{1, 0}, {5, 0}, {17, 0}, {0, 33}, {3, 7}}) {
                const auto input = floats(static_cast<size_t>(rows.total() * shape.width));
                const auto run = [&](Ops& ops) {
                    const auto gates = ops.loadWeight(gate.host), ups = ops.loadWeight(up.host);
                    const auto in = normalised(ops, input, rows.total(), shape.width);
                    const auto out = ops.makeActivations(rows.total(), shape.height);
                    const DeviceBuffer scratch = poisoned(
                        ops, static_cast<size_t>(rows.total()) * 2 * static_cast<size_t>(shape.height));
                    ops.gatedFfn(*out, *gates, *ups, *in, kind, scratch.as<float>(), rows);
                    return valuesOf(ops, *out, rows.total());
                };
                EXPECT_LT(relativeError(run(gpu()), run(cpu())), 2 * kInt8Tolerance)
                    << dtypeInfo(shape.gate).name << ' ' << rows.decode << '+' << rows.prefill;
            }
    }
}

/// Whatever launches a row takes.
TEST(CudaOps, AGatedRowIsTheSameBytesAloneAndInCompany) {
    for (const DType type : {DType::Q4_K, DType::Q6_K, DType::Q4_1, DType::Q8_0})
        for (const int height : {32, 1000, 1536, 14336}) {
            const int width = 512;
            const StoredMatrix gate(type, height, width), up(type, height, width),
                down(DType::Q4_0, 64, (height + 31) / 32 * 32);
            const auto input = floats(static_cast<size_t>(3 * width));
            const auto gates = gpu().loadWeight(gate.host), ups = gpu().loadWeight(up.host);
            const auto downs = height % 32 == 0 ? gpu().loadWeight(down.host) : nullptr;
            const auto run = [&](int rows) {
                const auto in = normalised(gpu(), input, rows, width);
                const auto out = gpu().makeActivations(rows, height);
                const DeviceBuffer scratch =
                    poisoned(gpu(), static_cast<size_t>(rows) * 2 * static_cast<size_t>(height));
                gpu().gatedFfn(*out, *gates, *ups, *in, GateKind::Silu, scratch.as<float>(), {rows, 0});
                std::vector<float> values;
                if (height <= 1536) values = valuesOf(gpu(), *out, rows);
                values.resize(static_cast<size_t>(height));
                if (downs == nullptr) return values;
                const DeviceBuffer sums = poisoned(gpu(), static_cast<size_t>(rows) * 64);
                const Projection projection{downs.get(), sums.as<float>(), 64, nullptr};
                gpu().matmul({&projection, 1}, *out, {rows, 0});
                const auto products = read(gpu(), sums, 64);
                values.insert(values.end(), products.begin(), products.end());
                return values;
            };
            const auto inCompany = run(3);
            for (int time = 0; time < 10; ++time)
                ASSERT_EQ(run(1), inCompany) << dtypeInfo(type).name << ' ' << height << ' ' << time;
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

TEST(CudaOps, FetchesWhatWasThereThenAndWaitsForNothingLater) {
    Ops& ops = gpu();
    constexpr int kFetches = 5;
    const HostBuffer host = ops.allocateHost(kFetches * sizeof(int32_t));
    const DeviceBuffer device = ops.allocate(sizeof(int32_t));
    uint64_t fetches[kFetches];
    for (int32_t i = 0; i < kFetches; ++i) {
        ops.upload(device.data(), &i, sizeof i);
        fetches[i] =
            ops.fetch(host.data() + static_cast<size_t>(i) * sizeof(int32_t), device.data(), sizeof(int32_t));
    }
    for (const int i : {0, 2, 4}) {  // not each is waited for
        ops.awaitFetch(fetches[i]);
        int32_t value = -1;
        std::memcpy(&value, host.data() + static_cast<size_t>(i) * sizeof(int32_t), sizeof value);
        EXPECT_EQ(value, i);
    }
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
