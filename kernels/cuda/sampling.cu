#include "kernels/cuda/sampling.h"

#include <algorithm>
#include <cstring>

#include "kernels/cuda/launch.cuh"
#include "kernels/gumbel.h"

namespace kernels::detail {
namespace {

constexpr int kThreads = 1024;

/// A SamplingRow whose penalised ids are a range of one device array.
struct DeviceRow {
    float temperature, topP, minP, repeatPenalty, presencePenalty;
    int topK;
    int firstPenalised, penalisedCount;
    int candidates;
    int chained;
    const int32_t* chain;
    int32_t* id;  ///< where the draw goes
    uint64_t seed, drawIndex;

    /// Whether the draw is one argmax over noisy logits, with nothing to be filtered first.
    __device__ bool drawsFromAll() const {
        return temperature > 0.0F && (topK <= 0 || topK >= candidates) && topP >= 1.0F && minP <= 0.0F;
    }
    __device__ void penalise(float& logit) const {
        logit = (logit > 0.0F ? logit / repeatPenalty : logit * repeatPenalty) - presencePenalty;
    }
};

/// Maps floats to unsigned numbers of the same order.
__device__ inline uint32_t orderedKey(float x) {
    const uint32_t bits = __float_as_uint(x);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}
__device__ inline float fromOrderedKey(uint32_t key) {
    return __uint_as_float(key & 0x80000000U ? key & 0x7FFFFFFFU : ~key);
}

/// What is left of a row: logits above `key`, and of those equal to it the ones with an id below `tieEnd`.
struct Survivors {
    uint32_t key;
    int tieEnd;
    __device__ bool keeps(uint32_t other, int id) const {
        return other > key || (other == key && id < tieEnd);
    }
};

/// Weight of a logit in a selection: 1 for top-k, its probability in units of 2^-40 of the largest for top-p.
/// Whole numbers, so that sums do not depend on the order of the threads.
struct Weigh {
    bool probabilities;
    float largest;
    __device__ unsigned long long operator()(float logit) const {
        return probabilities ? static_cast<unsigned long long>(exp(static_cast<double>(logit - largest)) *
                                                               1099511627776.0)
                             : 1ULL;
    }
};

/// Shrinks `left` to the likeliest logits whose weights reach `wanted`; the one that crosses it stays, and of
/// equal logits the lowest ids do. Whole block; eight bits of the key a pass.
__device__ Survivors selectTop(const float* logits, int vocabulary, Survivors left, Weigh weigh,
                               unsigned long long wanted) {
    __shared__ unsigned long long histogram[256];
    __shared__ unsigned long long sharedWanted;
    __shared__ uint32_t sharedPrefix;
    __shared__ int sharedTies;
    if (threadIdx.x == 0) sharedWanted = wanted, sharedPrefix = 0;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = static_cast<int>(threadIdx.x); i < 256; i += kThreads) histogram[i] = 0;
        __syncthreads();
        const uint32_t prefix = sharedPrefix;
        for (int id = static_cast<int>(threadIdx.x); id < vocabulary; id += kThreads) {
            const uint32_t key = orderedKey(logits[id]);
            const bool inPrefix = shift == 24 || key >> (shift + 8) == prefix >> (shift + 8);
            if (inPrefix && left.keeps(key, id))
                atomicAdd(&histogram[key >> shift & 255U], weigh(logits[id]));
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int digit = 255;
            while (digit > 0 && histogram[digit] < sharedWanted) sharedWanted -= histogram[digit--];
            sharedPrefix |= static_cast<uint32_t>(digit) << shift;
        }
        __syncthreads();
    }
    // sharedPrefix is the key that crosses; sharedWanted is what its ties must still contribute.
    const uint32_t key = sharedPrefix;
    const unsigned long long each = weigh(fromOrderedKey(key));
    const auto needed = static_cast<int>(
        each == 0 ? vocabulary
                  : min((sharedWanted + each - 1) / each, static_cast<unsigned long long>(vocabulary)));
    if (threadIdx.x == 0) {
        // Ties are rare and few: one thread walks them only when not all may stay.
        sharedTies = vocabulary;
    }
    __syncthreads();
    __shared__ int tieCount;
    if (threadIdx.x == 0) tieCount = 0;
    __syncthreads();
    int ties = 0;
    for (int id = static_cast<int>(threadIdx.x); id < vocabulary; id += kThreads)
        if (orderedKey(logits[id]) == key && left.keeps(key, id)) ++ties;
    atomicAdd(&tieCount, ties);
    __syncthreads();
    if (threadIdx.x == 0 && tieCount > needed) {
        int seen = 0, id = 0;
        for (; id < vocabulary && seen < needed; ++id)
            if (orderedKey(logits[id]) == key && left.keeps(key, id)) ++seen;
        sharedTies = id;
    }
    __syncthreads();
    const int end = sharedTies;
    return {key, key == left.key ? min(end, left.tieEnd) : end};
}

struct Best {
    double value;
    int id;
};

__device__ inline Best better(Best a, Best b) {
    return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
}

__device__ Best blockBest(Best best) {
    __shared__ Best partial[kThreads / 32];
    const auto warpBest = [](Best x) {
        for (int mask = 16; mask > 0; mask >>= 1)
            x = better(
                x, {__shfl_xor_sync(0xffffffffU, x.value, mask), __shfl_xor_sync(0xffffffffU, x.id, mask)});
        return x;
    };
    best = warpBest(best);
    __syncthreads();
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = best;
    __syncthreads();
    return warpBest(partial[threadIdx.x % 32]);
}

__global__ void __launch_bounds__(kThreads)
    penaltyKernel(float* allLogits, int vocabulary, const DeviceRow* rows, const int32_t* penalised) {
    letSuccessorStart();
    waitForPredecessor();
    float* logits = allLogits + static_cast<size_t>(blockIdx.x) * vocabulary;
    const DeviceRow row = rows[blockIdx.x];
    if (row.repeatPenalty == 1.0F && row.presencePenalty == 0.0F) return;
    const int32_t* own = penalised + row.firstPenalised;
    for (int i = static_cast<int>(threadIdx.x); i < row.penalisedCount; i += kThreads)
        row.penalise(logits[own[i]]);
    for (int i = 0; i < row.chained; ++i) {  // a handful, and each id counts once
        const int32_t id = row.chain[i];
        int isKnown = 0;
        for (int k = static_cast<int>(threadIdx.x); k < row.penalisedCount; k += kThreads)
            isKnown |= own[k] == id;
        for (int k = static_cast<int>(threadIdx.x); k < i; k += kThreads) isKnown |= row.chain[k] == id;
        if (__syncthreads_or(isKnown) == 0 && threadIdx.x == 0) row.penalise(logits[id]);
    }
}

/// What one part of a row's logits has to offer.
struct PartBest {
    Best likeliest;
    Best drawn;  ///< only for rows that draw from all tokens
};

__device__ inline Best noisy(const DeviceRow& row, float logit, int id) {
    return {static_cast<double>(logit) / static_cast<double>(row.temperature) +
                gumbelNoise(row.seed, row.drawIndex, static_cast<uint32_t>(id)),
            id};
}

// Grid (kParts, rows): a row of 128,256 logits is half a megabyte, too much for one multiprocessor.
__global__ void __launch_bounds__(kThreads)
    partKernel(const float* allLogits, int vocabulary, const DeviceRow* rows, PartBest* parts) {
    letSuccessorStart();
    waitForPredecessor();
    const float* logits = allLogits + static_cast<size_t>(blockIdx.y) * vocabulary;
    const DeviceRow row = rows[blockIdx.y];
    const bool draws = row.drawsFromAll();
    const int stride = static_cast<int>(gridDim.x) * kThreads;
    Best likeliest{-INFINITY, vocabulary}, drawn{-INFINITY, vocabulary};
    for (int id = static_cast<int>(blockIdx.x * kThreads + threadIdx.x); id < row.candidates; id += stride) {
        likeliest = better(likeliest, {logits[id], id});
        if (draws) drawn = better(drawn, noisy(row, logits[id], id));
    }
    likeliest = blockBest(likeliest);
    if (draws) drawn = blockBest(drawn);
    if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = {likeliest, drawn};
}

// One block a row: joins the parts; rows with filters look at all their logits once more.
__global__ void __launch_bounds__(kThreads)
    choiceKernel(const float* allLogits, int width, const DeviceRow* rows, const PartBest* parts,
                 int partCount) {
    waitForPredecessor();
    const float* logits = allLogits + static_cast<size_t>(blockIdx.x) * width;
    const DeviceRow row = rows[blockIdx.x];
    const int vocabulary = row.candidates;
    const bool drawsFromAll = row.drawsFromAll();
    Best best{-INFINITY, vocabulary};
    if (static_cast<int>(threadIdx.x) < partCount) {
        const PartBest& part =
            parts[static_cast<int>(blockIdx.x) * partCount + static_cast<int>(threadIdx.x)];
        best = drawsFromAll ? part.drawn : part.likeliest;
    }
    best = blockBest(best);
    if (row.temperature > 0.0F && !drawsFromAll) {
        const auto largest = static_cast<float>(best.value);
        Survivors left{0, vocabulary};
        if (row.topK > 0 && row.topK < vocabulary)
            left = selectTop(logits, vocabulary, left, {false, largest},
                             static_cast<unsigned long long>(row.topK));
        if (row.topP < 1.0F) {
            const Weigh weigh{true, largest};
            __shared__ unsigned long long total;
            if (threadIdx.x == 0) total = 0;
            __syncthreads();
            unsigned long long own = 0;
            for (int id = static_cast<int>(threadIdx.x); id < vocabulary; id += kThreads)
                if (left.keeps(orderedKey(logits[id]), id)) own += weigh(logits[id]);
            atomicAdd(&total, own);
            __syncthreads();
            const auto wanted = static_cast<unsigned long long>(
                ceil(static_cast<double>(total) * static_cast<double>(row.topP)));
            left = selectTop(logits, vocabulary, left, weigh, max(wanted, 1ULL));
        }
        const float least = row.minP > 0.0F ? largest + logf(row.minP) : -INFINITY;
        best = {-INFINITY, vocabulary};
        for (int id = static_cast<int>(threadIdx.x); id < vocabulary; id += kThreads) {
            const float logit = logits[id];
            if (logit >= least && left.keeps(orderedKey(logit), id))
                best = better(best, noisy(row, logit, id));
        }
        best = blockBest(best);
    }
    if (threadIdx.x == 0) *row.id = best.id;
}

constexpr int kParts = 32;

}  // namespace

DeviceSampler::~DeviceSampler() {
    cudaFree(device_);
    cudaFreeHost(host_);
}

void DeviceSampler::reserve(size_t bytes) {
    if (bytes <= bytes_) return;
    cudaFree(device_);
    cudaFreeHost(host_);
    device_ = host_ = nullptr;
    bytes_ = 0;
    const size_t rounded = bytes * 2;
    if (cudaMalloc(reinterpret_cast<void**>(&device_), rounded) != cudaSuccess ||
        cudaMallocHost(reinterpret_cast<void**>(&host_), rounded) != cudaSuccess)
        throw OutOfDeviceMemory("the GPU has no room for " + std::to_string(rounded) +
                                " bytes of sampling parameters; close other programs that use it");
    bytes_ = rounded;
}

void DeviceSampler::enqueue(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                            bool toTargets, const Send& send, cudaStream_t stream) {
    size_t penalties = 0;
    bool anyChained = false;
    for (const SamplingRow& row : rows) {
        penalties += row.penalised.size();
        anyChained |= row.chained > 0;
    }
    const size_t parameterBytes = rows.size() * sizeof(DeviceRow),
                 inputBytes = parameterBytes + penalties * sizeof(int32_t);
    resultsAt_ = ceilDiv(inputBytes, sizeof(PartBest)) * sizeof(PartBest);
    const size_t partsAt =
        resultsAt_ + ceilDiv(rows.size() * sizeof(int32_t), sizeof(PartBest)) * sizeof(PartBest);
    reserve(partsAt + rows.size() * kParts * sizeof(PartBest));
    auto* results = reinterpret_cast<int32_t*>(device_ + resultsAt_);
    parameters_.resize(inputBytes);
    int next = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
        const SamplingRow& row = rows[i];
        const DeviceRow to{row.temperature,
                           row.topP,
                           row.minP,
                           row.repeatPenalty,
                           row.presencePenalty,
                           row.topK,
                           next,
                           static_cast<int>(row.penalised.size()),
                           row.candidates > 0 ? std::min(row.candidates, vocabulary) : vocabulary,
                           row.chained,
                           row.chain,
                           toTargets ? row.drawTarget() : results + i,
                           row.seed,
                           row.drawIndex};
        std::memcpy(parameters_.data() + i * sizeof(DeviceRow), &to, sizeof to);
        if (!row.penalised.empty())
            std::memcpy(parameters_.data() + parameterBytes + static_cast<size_t>(next) * sizeof(int32_t),
                        row.penalised.data(), row.penalised.size_bytes());
        next += to.penalisedCount;
    }
    send(device_, parameters_.data(), inputBytes);
    auto* parts = reinterpret_cast<PartBest*>(device_ + partsAt);
    const auto* parameters = reinterpret_cast<const DeviceRow*>(device_);
    auto* own = const_cast<float*>(logits);
    const auto count = static_cast<unsigned>(rows.size());
    if (penalties > 0 || anyChained)
        launch("penaltyKernel", penaltyKernel, dim3(count), kThreads, 0, stream, own, vocabulary, parameters,
               reinterpret_cast<const int32_t*>(device_ + parameterBytes));
    launch("partKernel", partKernel, dim3(kParts, count), kThreads, 0, stream, own, vocabulary, parameters,
           parts);
    launch("choiceKernel", choiceKernel, dim3(count), kThreads, 0, stream, own, vocabulary, parameters, parts,
           kParts);
}

void DeviceSampler::sample(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                           std::span<int32_t> ids, const Send& send, cudaStream_t stream) {
    if (rows.empty()) return;
    enqueue(logits, vocabulary, rows, false, send, stream);
    checkCuda(cudaMemcpyAsync(host_, device_ + resultsAt_, rows.size() * sizeof(int32_t),
                              cudaMemcpyDeviceToHost, stream),
              "drawn tokens");
    checkCuda(cudaStreamSynchronize(stream), "drawing tokens");
    std::memcpy(ids.data(), host_, rows.size() * sizeof(int32_t));
}

void DeviceSampler::draw(const float* logits, int vocabulary, std::span<const SamplingRow> rows,
                         const Send& send, cudaStream_t stream) {
    if (!rows.empty()) enqueue(logits, vocabulary, rows, true, send, stream);
}

}  // namespace kernels::detail
