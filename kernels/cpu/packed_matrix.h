#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/ops.h"

/// Quantised matrices as the CPU kernels read them: tiles of 16 rows, so that one 64-byte vector holds four
/// consecutive columns of 16 rows, which is what a 4-way byte dot product takes (16 sums of 4 products).
///
/// A tile is a run of groups of 32 columns. Quant (row, column c of a group) is in byte 4 * row + c % 4 of
/// *step* c / 4 (8 steps of 64 bytes), its bits split into planes:
///   quads   4 vectors: vector v has step v in its low nibbles and step v + 4 in its high nibbles
///   pairs   2 vectors: vector h has 2 bits of step 4 h + i at bit 2 i
///   singles 1 vector: 1 bit of step i at bit i
///   bytes   8 vectors, one a step (signed types stored + 128, so that all quants are unsigned)
/// After a group's planes come its scales for the 16 rows; the K types put half-precision super-scales (d,
/// then dmin) of the 16 rows before the first of each eight groups.
namespace kernels::detail {

inline constexpr int kTileRows = 16;
inline constexpr int kGroupColumns = 32;

/// How a group's scale words are to be read.
enum class ScaleKind : uint8_t {
    Half,         ///< half[16]
    HalfMinimum,  ///< half[16] scales, half[16] minimums
    ByteMinimum,  ///< uint8[16] scales, uint8[16] minimums, times d and dmin
    SignedByte,   ///< int8[16], times d
    Signed16,     ///< int8[2][16] for 16 columns each, times d
    Nibbles16,    ///< uint8[2][16] for 16 columns each: scale in the low nibble, minimum in the high one
};

/// Facts about a packed type; see packedFormat.
struct PackedFormat {
    bool quads, pairs, singles, bytes;
    ScaleKind scales;
    int offset;      ///< value = scale * (quant - offset)
    bool lookup;     ///< quads index the IQ4 table (whose entries are stored + 128)
    int superBytes;  ///< before each eight groups

    constexpr int planeBytes() const {
        return (quads ? 256 : 0) + (pairs ? 128 : 0) + (singles ? 64 : 0) + (bytes ? 512 : 0);
    }
    constexpr int scaleBytes() const {
        return scales == ScaleKind::HalfMinimum ? 64 : scales == ScaleKind::SignedByte ? 16 : 32;
    }
    constexpr int groupBytes() const { return planeBytes() + scaleBytes(); }
};

constexpr PackedFormat packedFormat(DType type) {
    switch (type) {
        case DType::Q4_0:
            return {true, false, false, false, ScaleKind::Half, 8, false, 0};
        case DType::Q4_1:
            return {true, false, false, false, ScaleKind::HalfMinimum, 0, false, 0};
        case DType::Q5_0:
            return {true, false, true, false, ScaleKind::Half, 16, false, 0};
        case DType::Q5_1:
            return {true, false, true, false, ScaleKind::HalfMinimum, 0, false, 0};
        case DType::Q8_0:
            return {false, false, false, true, ScaleKind::Half, 128, false, 0};
        case DType::Q2_K:
            return {false, true, false, false, ScaleKind::Nibbles16, 0, false, 64};
        case DType::Q3_K:
            return {false, true, true, false, ScaleKind::Signed16, 4, false, 32};
        case DType::Q4_K:
            return {true, false, false, false, ScaleKind::ByteMinimum, 0, false, 64};
        case DType::Q5_K:
            return {true, false, true, false, ScaleKind::ByteMinimum, 0, false, 64};
        case DType::Q6_K:
            return {true, true, false, false, ScaleKind::Signed16, 32, false, 32};
        case DType::IQ4_NL:
            return {true, false, false, false, ScaleKind::Half, 128, true, 0};
        case DType::IQ4_XS:
            return {true, false, false, false, ScaleKind::SignedByte, 128, true, 32};
        default:
            return {};
    }
}

constexpr bool isQuantised(DType type) {
    return type != DType::F32 && type != DType::F16 && type != DType::BF16;
}

/// A packed matrix in memory of its own.
struct PackedMatrix {
    DType type = DType::Q4_0;
    int rows = 0, columns = 0;
    int groups = 0;    ///< columns / 32
    int rowTiles = 0;  ///< ceil(rows / 16); rows beyond the last are zero
    size_t tileBytes = 0;
    struct Free {
        void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
    };
    std::unique_ptr<std::byte[], Free> data;  ///< [rowTiles, tileBytes], 64-byte aligned

    const std::byte* tile(int index) const { return data.get() + static_cast<size_t>(index) * tileBytes; }
};

/// Allocates the packed form of a stored matrix of a quantised type. Throws OutOfDeviceMemory.
PackedMatrix allocatePacked(const HostMatrix& source);

/// Packs one tile of 16 rows; tiles are independent, so threads may share the work.
void packTile(PackedMatrix& to, const HostMatrix& source, int tile);

/// The IQ4 table, each entry + 128.
inline constexpr uint8_t kIq4Table[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                          129, 141, 153, 166, 181, 197, 217, 241};

}  // namespace kernels::detail
