// Rows of the KV cache: their stored forms, rotation, and storing.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/attention.h"

namespace kernels::detail {
namespace {

void storeQ8(std::byte* row, const float* in, int dim) {
    for (int group = 0; group < dim / 32; ++group, row += 34, in += 32) {
        float largest = 0.0F;
        for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(in[i]));
        const float inverse = largest > 0.0F ? 127.0F / largest : 0.0F;
        const uint16_t scale = floatToHalf(largest / 127.0F);
        std::memcpy(row, &scale, 2);
        for (int i = 0; i < 32; ++i)
            row[2 + i] = static_cast<std::byte>(static_cast<int8_t>(std::lrint(in[i] * inverse)));
    }
}

/// The value of largest magnitude becomes -8, so that all sixteen levels are used.
void storeQ4(std::byte* row, const float* in, int dim) {
    for (int group = 0; group < dim / 32; ++group, row += 18, in += 32) {
        float extreme = 0.0F;
        for (int i = 0; i < 32; ++i)
            if (std::abs(in[i]) > std::abs(extreme)) extreme = in[i];
        const float scale = extreme / -8.0F, inverse = scale != 0.0F ? 1.0F / scale : 0.0F;
        const uint16_t half = floatToHalf(scale);
        std::memcpy(row, &half, 2);
        const auto quant = [&](int i) { return std::min(15, static_cast<int>(in[i] * inverse + 8.5F)); };
        for (int i = 0; i < 16; ++i) row[2 + i] = static_cast<std::byte>(quant(i) | quant(i + 16) << 4);
    }
}

void rotate(float* head, RopePairs pairs, int dimensions, const float* rotations) {
    const int half = dimensions / 2;
    for (int i = 0; i < half; ++i) {
        const int first = pairs == RopePairs::Interleaved ? 2 * i : i;
        const int second = pairs == RopePairs::Interleaved ? 2 * i + 1 : i + half;
        const float a = head[first], b = head[second], cosine = rotations[2 * i], sine = rotations[2 * i + 1];
        head[first] = a * cosine - b * sine;
        head[second] = a * sine + b * cosine;
    }
}

void normHead(float* head, const float* norm, int dim, float epsilon) {
    double squares = 0.0;
    for (int k = 0; k < dim; ++k) squares += static_cast<double>(head[k]) * static_cast<double>(head[k]);
    const float scale = 1.0F / std::sqrt(static_cast<float>(squares / dim) + epsilon);
    for (int k = 0; k < dim; ++k) head[k] *= scale * norm[k];
}

}  // namespace

void loadKvRow(float* out, const std::byte* row, KvType type, int dim, const SimdKernels& simd) {
    switch (type) {
        case KvType::F32:
            std::memcpy(out, row, static_cast<size_t>(dim) * 4);
            return;
        case KvType::F16:
            simd.halvesToFloats(out, reinterpret_cast<const uint16_t*>(row), static_cast<size_t>(dim));
            return;
        case KvType::Q8_0:
            dequantizeRow(DType::Q8_0, row, out, static_cast<uint64_t>(dim));
            return;
        case KvType::Q4_0:
            dequantizeRow(DType::Q4_0, row, out, static_cast<uint64_t>(dim));
            return;
    }
}

void storeKvRow(std::byte* row, const float* in, KvType type, int dim, const SimdKernels& simd) {
    switch (type) {
        case KvType::F32:
            std::memcpy(row, in, static_cast<size_t>(dim) * 4);
            return;
        case KvType::F16:
            simd.floatsToHalves(reinterpret_cast<uint16_t*>(row), in, static_cast<size_t>(dim));
            return;
        case KvType::Q8_0:
            storeQ8(row, in, dim);
            return;
        case KvType::Q4_0:
            storeQ4(row, in, dim);
            return;
    }
}

void rotations(float* out, const Rope& rope, const int32_t* positions, int rows, ThreadPool& pool) {
    const int half = rope.dimensions / 2;
    pool.run(rows, [&](int row) {
        float* to = out + static_cast<size_t>(row) * static_cast<size_t>(half) * 2;
        for (int i = 0; i < half; ++i) {
            // The angle reaches 1e5 radians: a float would lose its fraction.
            const double angle =
                static_cast<double>(positions[row]) * static_cast<double>(rope.inverseFrequency[i]);
            to[2 * i] = static_cast<float>(std::cos(angle)) * rope.magnitude;
            to[2 * i + 1] = static_cast<float>(std::sin(angle)) * rope.magnitude;
        }
    });
}

void ropeStore(const RopeStore& args, const KvLayer& layer, const StepRows& rows, const BlockTables& tables,
               const SimdKernels& simd, ThreadPool& pool) {
    pool.run(rows.rows.total(), [&](int row) {
        const float* rotations =
            args.rotations + static_cast<size_t>(row) * static_cast<size_t>(args.dimensions / 2) * 2;
        const auto turn = [&](float* head, const float* norm) {
            if (norm != nullptr) normHead(head, norm, layer.keyDim, args.normEpsilon);
            rotate(head, args.pairs, args.dimensions, rotations);
        };
        for (int head = 0; head < args.numHeads; ++head)
            turn(args.query + static_cast<size_t>(row) * static_cast<size_t>(args.queryStride) +
                     static_cast<size_t>(head) * static_cast<size_t>(layer.keyDim),
                 args.queryNorm);
        const int slot = tables.slots[row], token = slot % layer.blockTokens;
        std::byte* block = layer.base + static_cast<size_t>(slot / layer.blockTokens) * layer.blockBytes();
        std::byte* values = block + static_cast<size_t>(layer.numKvHeads) *
                                        static_cast<size_t>(layer.blockTokens) * layer.keyRowBytes();
        for (int head = 0; head < layer.numKvHeads; ++head) {
            float* key = args.key + static_cast<size_t>(row) * static_cast<size_t>(args.keyStride) +
                         static_cast<size_t>(head) * static_cast<size_t>(layer.keyDim);
            turn(key, args.keyNorm);
            const float* value = args.value +
                                 static_cast<size_t>(row) * static_cast<size_t>(args.valueStride) +
                                 static_cast<size_t>(head) * static_cast<size_t>(layer.valueDim);
            const size_t index = static_cast<size_t>(head) * static_cast<size_t>(layer.blockTokens) +
                                 static_cast<size_t>(token);
            storeKvRow(block + index * layer.keyRowBytes(), key, layer.type, layer.keyDim, simd);
            storeKvRow(values + index * layer.valueRowBytes(), value, layer.type, layer.valueDim, simd);
        }
    });
}

}  // namespace kernels::detail
