#include "engine/runtime/bandwidth.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <thread>

#include "engine/runtime/device.h"

namespace engine {
namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Eight independent sums, so that the additions never wait for one another.
uint64_t readAll(std::span<const uint64_t> values) {
    std::array<uint64_t, 8> sums{};
    for (size_t i = 0; i + sums.size() <= values.size(); i += sums.size())
        for (size_t lane = 0; lane < sums.size(); ++lane) sums[lane] += values[i + lane];
    uint64_t sum = 0;
    for (const uint64_t lane : sums) sum += lane;
    return sum;
}

double hostBandwidth(int threads) {
    const auto count = static_cast<size_t>(
        threads > 0 ? threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
    constexpr size_t kWords = size_t{256} << 17;  // 256 MiB
    constexpr int kRounds = 5;
    const std::vector<uint64_t> memory(kWords, 1);
    const size_t share = kWords / count;
    std::vector<uint64_t> sums(count);
    double best = 0.0;
    for (int round = 0; round < kRounds; ++round) {
        const auto start = Clock::now();
        {
            std::vector<std::jthread> readers;
            for (size_t i = 0; i < count; ++i)
                readers.emplace_back(
                    [&, i] { sums[i] = readAll(std::span(memory).subspan(i * share, share)); });
        }
        best = std::max(best, static_cast<double>(share * count * sizeof(uint64_t)) / secondsSince(start));
    }
    // The sums are used, so that no compiler may leave the reads out.
    return sums.front() == 0 ? 0.0 : best;
}

double deviceBandwidth(kernels::Ops& ops) {
    // Far more than any cache holds; a quarter of what is free on a small card.
    const size_t bytes =
        std::min(size_t{1} << 30, ops.info().freeBytes / 4) / (size_t{1} << 20) * (size_t{1} << 20);
    constexpr int kReads = 10, kRounds = 5;
    const kernels::DeviceBuffer memory = ops.allocate(bytes);
    double best = 0.0;
    for (int round = 0; round < kRounds; ++round) {
        ops.synchronize();
        const auto start = Clock::now();
        for (int i = 0; i < kReads; ++i) ops.readThrough(memory.data(), bytes);
        ops.synchronize();
        best = std::max(best, kReads * static_cast<double>(bytes) / secondsSince(start));
    }
    return best;
}

}  // namespace

Result<double> measureReadBandwidth(DeviceChoice choice, int threads) {
    auto ops = openDevice(choice, threads, ComputeChoice::Int8);
    if (!ops) return tl::unexpected<Error>(ops.error());
    if ((*ops)->info().kind == "cpu") return hostBandwidth(threads);
    try {
        return deviceBandwidth(**ops);
    } catch (const kernels::OutOfDeviceMemory& shortage) {
        return fail(ErrorCode::OutOfMemory, "measuring the bandwidth: {}", shortage.what());
    }
}

}  // namespace engine
