#pragma once

#include <vector>

#include "kernels/ops.h"
#include "tests/kernels/support/random_blocks.h"

namespace kernels::testing {

/// Some rows of one sequence: `before` tokens are stored, `rows` follow.
struct PagedSequence {
    int before = 0, rows = 1;
};

/// A step's rows over one layer whose blocks lie scattered in a pool. Every byte that no row may read (blocks
/// of nobody, tokens beyond a sequence's last, blocks that no window reaches) is 0xFF: a NaN in floats,
/// halves and scales.
class PagedBatch {
  public:
    PagedBatch(const KvLayer& shape, const std::vector<PagedSequence>& sequences, int window, Random& random);

    const KvLayer& layer() const { return layer_; }
    StepRows rows() const;
    BlockTables tables() const;
    int rowCount() const { return static_cast<int>(positions_.size()); }
    int sequenceOf(int row) const { return sequenceOf_[static_cast<size_t>(row)]; }
    int position(int row) const { return positions_[static_cast<size_t>(row)]; }

    /// The stored row of a sequence's token.
    std::byte* keyRow(int sequence, int token, int kvHead);
    std::byte* valueRow(int sequence, int token, int kvHead);
    std::vector<float> key(int sequence, int token, int kvHead);
    std::vector<float> value(int sequence, int token, int kvHead);
    const std::vector<std::byte>& bytes() const { return bytes_; }

    /// Fills the K and V of every token that some row may see with random rows.
    void fill(Random& random);

  private:
    std::byte* row(int sequence, int token, int kvHead, bool isValue);
    KvLayer layer_;
    std::vector<PagedSequence> sequences_;
    int window_;
    std::vector<std::byte> bytes_;
    std::vector<int32_t> positions_, rowStart_{0}, contextLength_, tableStart_{0}, blocks_, slots_;
    std::vector<int> sequenceOf_;
    std::vector<std::vector<int32_t>> ownBlocks_;  ///< with released ones kept, for the test's own look-ups
};

/// One stored row as GGUF's block types define it: the meaning that a device must keep.
std::vector<float> decodeKvRow(const std::byte* row, KvType type, int dim);

}  // namespace kernels::testing
