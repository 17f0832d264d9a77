#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <utility>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cuda_plugin.h"
#include "tests/kernels/support/random_blocks.h"

/// What the tests of the CUDA operations share: both devices, fresh random inputs, poisoned outputs.
namespace kernels::testing {

// Tolerances on |out - ref|^2 / |ref|^2. Int8 activations in groups of 64 cost about 2e-5 to 1e-4 of it,
// bfloat16 ones 1e-5, 1e-5 to 4e-5 with quantised weights, whose scales and minimums are bfloat16 too; rows
// of halves in attention 1e-6.
inline constexpr double kInt8Tolerance = 3e-4, kUnpackedTolerance = 8e-5, kBf16Tolerance = 3e-5,
                        kFloatTolerance = 1e-9, kHalfTolerance = 1e-5;

inline constexpr DType kAllTypes[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q4_0,   DType::Q4_1,
                                      DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q2_K,   DType::Q3_K,
                                      DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS};

inline Ops& gpu() {
    static const std::unique_ptr<Ops> ops = makeCudaOps();
    return *ops;
}

inline Ops& cpu() {
    static const std::unique_ptr<Ops> ops = [] {
        CpuOptions options;
        options.compute = Compute::Float;
        return makeCpuOps(options);
    }();
    return *ops;
}

/// Fresh inputs on every run; the seed is printed so that a failure can be repeated with ALCOVE_TEST_SEED.
inline Random& random() {
    static Random generator = [] {
        const char* given = std::getenv("ALCOVE_TEST_SEED");
        const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
        std::printf("ALCOVE_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
        return Random(seed);
    }();
    return generator;
}

inline std::vector<float> floats(size_t count, float deviation = 1.0F) {
    return randomFloats(count, deviation, random());
}

inline DeviceBuffer onDevice(Ops& ops, const void* data, size_t bytes) {
    DeviceBuffer buffer = ops.allocate(std::max<size_t>(bytes, 4));
    if (bytes > 0) ops.upload(buffer.data(), data, bytes);
    return buffer;
}
template <class T>
DeviceBuffer onDevice(Ops& ops, const std::vector<T>& values) {
    return onDevice(ops, values.data(), values.size() * sizeof(T));
}

/// Floats that no operation would write by itself.
inline DeviceBuffer poisoned(Ops& ops, size_t count) {
    return onDevice(ops, std::vector<float>(count, std::numeric_limits<float>::quiet_NaN()));
}

inline std::vector<float> read(Ops& ops, const DeviceBuffer& buffer, size_t count) {
    std::vector<float> values(count);
    ops.download(values.data(), buffer.data(), count * sizeof(float));
    return values;
}

/// `usual`: the mean square that inputs of this kind give; a few results that cancel must not count as large
/// errors.
inline double relativeError(const std::vector<float>& out, const std::vector<float>& reference,
                            double usual = 0.0) {
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
inline std::unique_ptr<Activations> normalised(Ops& ops, const std::vector<float>& values, int rows,
                                               int width) {
    auto out = ops.makeActivations(rows, width);
    const DeviceBuffer residual = onDevice(ops, values);
    const DeviceBuffer ones = onDevice(ops, std::vector<float>(static_cast<size_t>(width), 1.0F));
    ops.addNorm(*out, residual.as<float>(), nullptr, nullptr, ones.as<float>(), 1e-5F, rows, width);
    ops.synchronize();
    return out;
}

/// The identity on a device, kept for the next test.
inline const Weight& identityOf(Ops& ops, int width) {
    struct Kept {
        std::vector<float> values;  // a CPU weight may read them later
        std::unique_ptr<Weight> weight;
    };
    static std::map<std::pair<const Ops*, int>, Kept> all;
    Kept& kept = all[{&ops, width}];
    if (kept.weight == nullptr) {
        kept.values.resize(static_cast<size_t>(width) * static_cast<size_t>(width));
        for (int i = 0; i < width; ++i)
            kept.values[static_cast<size_t>(i) * static_cast<size_t>(width + 1)] = 1.0F;
        kept.weight = ops.loadWeight({DType::F32, static_cast<uint64_t>(width), static_cast<uint64_t>(width),
                                      reinterpret_cast<const std::byte*>(kept.values.data())});
    }
    return *kept.weight;
}

/// What activations hold, read through a product with the identity.
inline std::vector<float> valuesOf(Ops& ops, const Activations& activations, int rows) {
    const int width = activations.width();
    const DeviceBuffer out = poisoned(ops, static_cast<size_t>(rows) * static_cast<size_t>(width));
    const Projection product{&identityOf(ops, width), out.as<float>(), width, nullptr};
    ops.matmul({&product, 1}, activations, {rows, 0});
    return read(ops, out, static_cast<size_t>(rows) * static_cast<size_t>(width));
}

inline std::vector<float> product(Ops& ops, const StoredMatrix& matrix, const std::vector<float>& input,
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

}  // namespace kernels::testing
