#include "tests/kernels/support/paged_batch.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/cpu/attention.h"

namespace kernels::testing {

PagedBatch::PagedBatch(const KvLayer& shape, const std::vector<PagedSequence>& sequences, int window,
                       Random& random)
    : layer_(shape), sequences_(sequences), window_(window) {
    const int blockTokens = shape.blockTokens;
    int total = 3;  // blocks of nobody
    for (const PagedSequence& s : sequences) total += (s.before + s.rows + blockTokens - 1) / blockTokens;
    std::vector<int32_t> order(static_cast<size_t>(total));
    std::iota(order.begin(), order.end(), 0);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.next() % i]);
    size_t next = 0;
    for (size_t s = 0; s < sequences.size(); ++s) {
        const int length = sequences[s].before + sequences[s].rows;
        const int firstSeen = window > 0 ? std::max(0, sequences[s].before + 1 - window) : 0;
        auto& own = ownBlocks_.emplace_back();
        for (int block = 0; block * blockTokens < length; ++block) {
            own.push_back(order[next++]);
            blocks_.push_back((block + 1) * blockTokens <= firstSeen ? -1 : own.back());
        }
        for (int token = sequences[s].before; token < length; ++token) {
            positions_.push_back(token);
            sequenceOf_.push_back(static_cast<int>(s));
            slots_.push_back(own[static_cast<size_t>(token / blockTokens)] * blockTokens +
                             token % blockTokens);
        }
        rowStart_.push_back(static_cast<int32_t>(positions_.size()));
        contextLength_.push_back(length);
        tableStart_.push_back(static_cast<int32_t>(blocks_.size()));
    }
    bytes_.assign(static_cast<size_t>(total) * layer_.blockBytes(), std::byte{0xFF});
    layer_.base = bytes_.data();
}

StepRows PagedBatch::rows() const {
    StepRows rows;
    rows.rows = {0, rowCount()};
    rows.sequences = static_cast<int>(sequences_.size());
    rows.positions = positions_.data();
    rows.rowStart = rowStart_.data();
    rows.contextLength = contextLength_.data();
    for (const PagedSequence& s : sequences_) {
        rows.maxRowsPerSequence = std::max(rows.maxRowsPerSequence, s.rows);
        rows.maxContextLength = std::max(rows.maxContextLength, s.before + s.rows);
    }
    return rows;
}

BlockTables PagedBatch::tables() const {
    return {tableStart_.data(), blocks_.data(), slots_.data()};
}

std::byte* PagedBatch::row(int sequence, int token, int kvHead, bool isValue) {
    const int block =
        ownBlocks_[static_cast<size_t>(sequence)][static_cast<size_t>(token / layer_.blockTokens)];
    const auto heads = static_cast<size_t>(layer_.numKvHeads),
               tokens = static_cast<size_t>(layer_.blockTokens);
    const size_t index =
        static_cast<size_t>(kvHead) * tokens + static_cast<size_t>(token % layer_.blockTokens);
    std::byte* base = bytes_.data() + static_cast<size_t>(block) * layer_.blockBytes();
    return isValue ? base + heads * tokens * layer_.keyRowBytes() + index * layer_.valueRowBytes()
                   : base + index * layer_.keyRowBytes();
}

std::byte* PagedBatch::keyRow(int sequence, int token, int kvHead) {
    return row(sequence, token, kvHead, false);
}
std::byte* PagedBatch::valueRow(int sequence, int token, int kvHead) {
    return row(sequence, token, kvHead, true);
}
std::vector<float> PagedBatch::key(int sequence, int token, int kvHead) {
    return decodeKvRow(keyRow(sequence, token, kvHead), layer_.type, layer_.keyDim);
}
std::vector<float> PagedBatch::value(int sequence, int token, int kvHead) {
    return decodeKvRow(valueRow(sequence, token, kvHead), layer_.type, layer_.valueDim);
}

void PagedBatch::fill(Random& random) {
    const detail::SimdKernels& simd = detail::portableKernels();
    for (int s = 0; s < static_cast<int>(sequences_.size()); ++s) {
        const PagedSequence& sequence = sequences_[static_cast<size_t>(s)];
        const int first = window_ > 0 ? std::max(0, sequence.before + 1 - window_) : 0;
        for (int token = first; token < sequence.before + sequence.rows; ++token)
            for (int head = 0; head < layer_.numKvHeads; ++head) {
                const auto key = randomFloats(static_cast<size_t>(layer_.keyDim), 1.0F, random);
                const auto value = randomFloats(static_cast<size_t>(layer_.valueDim), 1.0F, random);
                detail::storeKvRow(keyRow(s, token, head), key.data(), layer_.type, layer_.keyDim, simd);
                detail::storeKvRow(valueRow(s, token, head), value.data(), layer_.type, layer_.valueDim,
                                   simd);
            }
    }
}

std::vector<float> decodeKvRow(const std::byte* row, KvType type, int dim) {
    std::vector<float> out(static_cast<size_t>(dim));
    const DType dtype = type == KvType::F32    ? DType::F32
                        : type == KvType::F16  ? DType::F16
                        : type == KvType::Q8_0 ? DType::Q8_0
                                               : DType::Q4_0;
    dequantizeRow(dtype, row, out.data(), static_cast<uint64_t>(dim));
    return out;
}

}  // namespace kernels::testing
