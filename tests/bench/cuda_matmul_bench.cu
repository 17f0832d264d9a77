// The matrix products of one decode step of an 8B model (Q4_K_M mix, random weights) in one CUDA graph,
// against the read bandwidth measured in the same run. Usage: cuda_matmul_bench [rows...]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "kernels/cuda/activations.cuh"
#include "kernels/cuda/cuda_common.cuh"
#include "kernels/cuda/matmul_decode.h"
#include "kernels/cuda/packed_weight.h"

namespace {

using namespace kernels;
using namespace kernels::detail;

__global__ void fillRandom(uint32_t* words, size_t count, uint32_t seed) {
    for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count;
         i += static_cast<size_t>(gridDim.x) * blockDim.x) {
        uint64_t x = (i + 1) * 0x9E3779B97F4A7C15ULL + seed;
        x ^= x >> 31;
        x *= 0xBF58476D1CE4E5B9ULL;
        words[i] = static_cast<uint32_t>(x >> 29) & 0x37FF37FFU;  // halves stay finite and below one half
    }
}

__global__ void readAll(const uint4* data, size_t count, uint32_t* sink) {
    uint32_t sum = 0;
    for (size_t i = blockIdx.x * static_cast<size_t>(blockDim.x) + threadIdx.x; i < count;
         i += static_cast<size_t>(gridDim.x) * blockDim.x) {
        const uint4 v = __ldcs(data + i);
        sum ^= v.x ^ v.y ^ v.z ^ v.w;
    }
    if (sum == 0x12345678U) *sink = sum;
}

struct Matrix {
    PackedMatrix packed;
    size_t bytes;
};

Matrix randomMatrix(DType type, int rows, int columns) {
    const size_t bytes = packedBytes(type, rows, columns);
    void* memory = nullptr;
    checkCuda(cudaMalloc(&memory, bytes), "matrix");
    fillRandom<<<1024, 256>>>(static_cast<uint32_t*>(memory), bytes / 4, static_cast<uint32_t>(rand()));
    return {packedView(type, rows, columns, static_cast<std::byte*>(memory)), bytes};
}

ActivationView randomActivations(int rows, int width) {
    ActivationView view;
    view.width = width;
    view.groups = ceilDiv(width, 64);
    const auto fill = [](auto*& pointer, size_t bytes) {
        void* memory = nullptr;
        checkCuda(cudaMalloc(&memory, bytes), "activations");
        fillRandom<<<256, 256>>>(static_cast<uint32_t*>(memory), bytes / 4, 7);
        pointer = static_cast<std::remove_reference_t<decltype(pointer)>>(memory);
    };
    fill(view.quants, static_cast<size_t>(rows) * view.groups * 64);
    fill(view.facts, static_cast<size_t>(rows) * view.groups * sizeof(GroupFacts));
    fill(view.values, static_cast<size_t>(rows) * width * 2);
    return view;
}

float timeGraph(cudaGraphExec_t graph, cudaStream_t stream, int repetitions) {
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    for (int i = 0; i < 3; ++i) cudaGraphLaunch(graph, stream);
    std::vector<float> times;
    for (int i = 0; i < repetitions; ++i) {
        cudaEventRecord(begin, stream);
        cudaGraphLaunch(graph, stream);
        cudaEventRecord(end, stream);
        checkCuda(cudaEventSynchronize(end), "graph");
        times.emplace_back();
        cudaEventElapsedTime(&times.back(), begin, end);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    cudaStream_t stream;
    checkCuda(cudaStreamCreate(&stream), "stream");
    constexpr int kLayers = 32, kEmbedding = 4096, kFeedForward = 14336, kKv = 1024, kVocabulary = 128256,
                  kMaxRows = 64;
    const ActivationView small = randomActivations(kMaxRows, kEmbedding),
                         large = randomActivations(kMaxRows, kFeedForward);
    float* out = nullptr;
    checkCuda(cudaMalloc(&out, static_cast<size_t>(kMaxRows) * kVocabulary * 4), "results");

    struct Step {
        std::vector<MatrixProduct> products;
        const ActivationView* x;
    };
    std::vector<Step> work;
    size_t bytes = 0;
    const auto add = [&](DType type, int rows, const ActivationView& x, bool together = false) {
        const Matrix matrix = randomMatrix(type, rows, x.width);
        if (!together) work.push_back({{}, &x});
        work.back().products.push_back({matrix.packed, out, rows, nullptr});
        bytes += matrix.bytes;
    };
    for (int layer = 0; layer < kLayers; ++layer) {
        const bool more = layer < kLayers / 8 || layer >= 7 * kLayers / 8 || (layer - kLayers / 8) % 3 == 2;
        add(DType::Q4_K, kEmbedding, small);
        add(DType::Q4_K, kKv, small, true);
        add(more ? DType::Q6_K : DType::Q4_K, kKv, small, true);
        add(DType::Q4_K, kEmbedding, small);
        add(DType::Q4_K, kFeedForward, small);
        add(DType::Q4_K, kFeedForward, small, true);
        add(more ? DType::Q6_K : DType::Q4_K, kEmbedding, large);
    }
    add(DType::Q6_K, kVocabulary, small);

    const auto capture = [&](auto&& body) {
        cudaGraph_t graph;
        cudaGraphExec_t executable;
        checkCuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "capture");
        body();
        checkCuda(cudaStreamEndCapture(stream, &graph), "capture");
        checkCuda(cudaGraphInstantiate(&executable, graph, 0), "instantiate");
        return executable;
    };
    checkCuda(cudaDeviceSynchronize(), "set-up");

    void* memory = nullptr;
    constexpr size_t kReadBytes = size_t{4} << 30;
    checkCuda(cudaMalloc(&memory, kReadBytes), "read buffer");
    fillRandom<<<1024, 256>>>(static_cast<uint32_t*>(memory), kReadBytes / 4, 3);
    const auto read = capture([&] {
        readAll<<<132 * 16, 512, 0, stream>>>(static_cast<const uint4*>(memory), kReadBytes / 16,
                                              reinterpret_cast<uint32_t*>(out));
    });
    const double peak = static_cast<double>(kReadBytes) / timeGraph(read, stream, 10) / 1e6;
    std::printf("read bandwidth %.0f GB/s; %zu groups of products, %.3f GB a step\n", peak, work.size(),
                static_cast<double>(bytes) / 1e9);

    std::vector<int> counts;
    for (int i = 1; i < argc; ++i) counts.push_back(std::atoi(argv[i]));
    if (counts.empty()) counts = {1, 2, 4, 8, 16};
    for (const int rows : counts) {
        const auto graph = capture([&] {
            for (const Step& step : work) matmulDecode(step.products, *step.x, rows, stream);
        });
        const float millis = timeGraph(graph, stream, 20);
        const double rate = static_cast<double>(bytes) / millis / 1e6;
        std::printf("rows %2d  %.3f ms  %.0f steps/s  %.0f GB/s  %.0f %% of read bandwidth\n", rows, millis,
                    1e3 / millis, rate, 100 * rate / peak);
    }
    struct Part {
        const char* name;
        DType type;
        int rows;
        const ActivationView* x;
    };
    for (const Part& part : {Part{"q4_k 4096x4096", DType::Q4_K, kEmbedding, &small},
                             Part{"q4_k 14336x4096", DType::Q4_K, kFeedForward, &small},
                             Part{"q4_k 4096x14336", DType::Q4_K, kEmbedding, &large},
                             Part{"q6_k 4096x14336", DType::Q6_K, kEmbedding, &large},
                             Part{"q6_k 128256x4096", DType::Q6_K, kVocabulary, &small},
                             Part{"q8_0 14336x4096", DType::Q8_0, kFeedForward, &small}}) {
        std::vector<Matrix> copies;
        size_t total = 0;
        while (total < (size_t{1} << 30)) {
            copies.push_back(randomMatrix(part.type, part.rows, part.x->width));
            total += copies.back().bytes;
        }
        checkCuda(cudaDeviceSynchronize(), "copies");
        const auto graph = capture([&] {
            for (const Matrix& m : copies) {
                const MatrixProduct product{m.packed, out, part.rows, nullptr};
                matmulDecode({&product, 1}, *part.x, 1, stream);
            }
        });
        const float millis = timeGraph(graph, stream, 20);
        std::printf("%-18s %6.2f us  %.0f GB/s\n", part.name,
                    1e3 * millis / static_cast<float>(copies.size()),
                    static_cast<double>(total) / millis / 1e6);
    }
    return 0;
}
