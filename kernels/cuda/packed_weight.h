#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/ops.h"

/// Quantised matrices as the CUDA kernels read them: structure of arrays in tiles of 16 rows x 64 columns, in
/// the register order of the m16n8k32 integer tensor-core product, so that every load is aligned and a warp's
/// loads are contiguous.
///
/// Lane l of a tile (g = l / 4, t = l % 4) owns eight 4-byte registers r[0..7]; byte j of r[4 s + 2 b + h]
/// holds the quant of row g + 8 h, column 32 s + 16 b + columnInStep(t, j): for an integer product any order
/// serves that both operands have, and this one is also that of the m16n8k16 product of bfloat16 values,
/// bytes 0 and 2 one register, bytes 1 and 3 another. Planes of a quant's bits:
/// - quads, 4 words a lane: word w has r[w]'s low 4 bits in its low nibbles and r[w + 4]'s in its high ones
/// - pairs, 2 words a lane: word s has 2 bits of r[4 s + i] at bit 2 i of each byte
/// - singles, 1 word a lane: 1 bit of r[i] at bit i of each byte
/// - bytes, 8 words a lane as [2 steps][32 lanes][4 words]
/// A value is scale * (quant - offset) [+ minimum]; scales come per group of 16 or 32 columns, one word per
/// row and tile ([8 g][2 h]), with a word of super-scales per row and 256 columns for the K types.
///
/// Up to four tiles (256 columns) make a *span*: their planes, then scales, minimums and super-scales,
/// contiguous, so that one bulk copy brings them. A matrix is [rowTiles][spans]; a row tile's last span may
/// hold fewer tiles.
namespace kernels::detail {

inline constexpr int kSpanTiles = 4;
inline constexpr int kSpanColumns = 64 * kSpanTiles;

/// The column, of a step of 16, that byte `byte` of lane t of a row holds; and t and byte of a column.
__host__ __device__ constexpr int columnInStep(int t, int byte) {
    return 2 * t + byte / 2 + byte % 2 * 8;
}
__host__ __device__ constexpr int laneOfColumn(int column) {
    return column % 8 / 2;
}
__host__ __device__ constexpr int byteOfColumn(int column) {
    return column % 2 * 2 + column / 8 % 2;
}

struct PackedMatrix {
    DType type = DType::F32;
    int rows = 0, columns = 0;
    int rowTiles = 0;                 ///< ceil(rows / 16)
    int kTiles = 0;                   ///< ceil(columns / 64)
    int spans = 0;                    ///< ceil(kTiles / 4)
    size_t rowTileBytes = 0;          ///< bytes of the spans of one row tile
    const std::byte* data = nullptr;  ///< spans; float types: [rows, columns] as stored
};

bool isPlain(DType type);  ///< F32, F16, BF16

/// Device bytes of the packed form.
size_t packedBytes(DType type, uint64_t rows, uint64_t columns);

/// Lays the arrays out within `memory` (packedBytes long, 256-byte aligned).
PackedMatrix packedView(DType type, uint64_t rows, uint64_t columns, std::byte* memory);

/// Fills the arrays of `to` from rows as the file stores them (device memory), rows [firstRow, firstRow +
/// count); firstRow is a multiple of 16.
void repack(const PackedMatrix& to, const std::byte* stored, int firstRow, int count, cudaStream_t stream);

/// Writes rows [firstRow, firstRow + count) as bfloat16 [count, columns], for the prefill product.
void unpackToBf16(void* out, const PackedMatrix& from, int firstRow, int count, cudaStream_t stream);

/// out[r] = row ids[r] * scale, as floats [count, columns].
void gatherPackedRows(float* out, const PackedMatrix& table, const int32_t* ids, float scale, int count,
                      cudaStream_t stream);

}  // namespace kernels::detail
