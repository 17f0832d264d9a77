#include "kernels/cpu/packed_matrix.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

namespace kernels::detail {
namespace {

uint8_t at(const std::byte* data, int index) {
    return static_cast<uint8_t>(data[index]);
}

/// Nibble i of 32 stored as 16 low nibbles, then 16 high ones.
unsigned nibble(const std::byte* quants, int i) {
    return i < 16 ? at(quants, i) & 15U : at(quants, i - 16) >> 4;
}

/// The unsigned quants of 32 columns from column `group` * 32 of a stored row.
void unpackGroup(DType type, const std::byte* row, int group, uint8_t* out) {
    const DTypeInfo& info = dtypeInfo(type);
    const std::byte* block =
        row + static_cast<ptrdiff_t>(group * kGroupColumns / info.blockElements) * info.blockBytes;
    const int g = group % (info.blockElements / kGroupColumns);  // group within the block
    for (int i = 0; i < kGroupColumns; ++i) {
        const int k = g * kGroupColumns + i;
        unsigned q = 0;
        switch (type) {
            case DType::Q4_0:
            case DType::IQ4_NL:
                q = nibble(block + 2, i);
                break;
            case DType::Q4_1:
                q = nibble(block + 4, i);
                break;
            case DType::Q5_0:
                q = nibble(block + 6, i) | (at(block, 2 + i / 8) >> (i % 8) & 1U) << 4;
                break;
            case DType::Q5_1:
                q = nibble(block + 8, i) | (at(block, 4 + i / 8) >> (i % 8) & 1U) << 4;
                break;
            case DType::Q8_0:
                q = at(block, 2 + i) ^ 128U;
                break;
            case DType::Q2_K:
                q = at(block, 16 + k / 128 * 32 + i) >> (k % 128 / 32 * 2) & 3U;
                break;
            case DType::Q3_K:
                q = (at(block, 32 + k / 128 * 32 + i) >> (k % 128 / 32 * 2) & 3U) | (at(block, i) >> g & 1U)
                                                                                        << 2;
                break;
            case DType::Q4_K:
                q = at(block, 16 + g / 2 * 32 + i) >> (g % 2 * 4) & 15U;
                break;
            case DType::Q5_K:
                q = (at(block, 48 + g / 2 * 32 + i) >> (g % 2 * 4) & 15U) | (at(block, 16 + i) >> g & 1U)
                                                                                << 4;
                break;
            case DType::Q6_K: {
                const int quarter = g % 4;
                q = (at(block, g / 4 * 64 + quarter % 2 * 32 + i) >> (quarter / 2 * 4) & 15U) |
                    (at(block, 128 + g / 4 * 32 + i) >> (quarter * 2) & 3U) << 4;
                break;
            }
            case DType::IQ4_XS:
                q = nibble(block + 8 + g * 16, i);
                break;
            default:
                break;
        }
        out[i] = static_cast<uint8_t>(q);
    }
}

/// The scale words of one row and group, written for row `r` of 16.
void packScales(DType type, const std::byte* row, int group, std::byte* scales, int r) {
    const DTypeInfo& info = dtypeInfo(type);
    const std::byte* block =
        row + static_cast<ptrdiff_t>(group * kGroupColumns / info.blockElements) * info.blockBytes;
    const int g = group % (info.blockElements / kGroupColumns);
    const auto set = [&](int index, unsigned value) { scales[index] = static_cast<std::byte>(value); };
    switch (packedFormat(type).scales) {
        case ScaleKind::Half:
            std::memcpy(scales + 2 * r, block, 2);
            return;
        case ScaleKind::HalfMinimum:
            std::memcpy(scales + 2 * r, block, 2);
            std::memcpy(scales + 32 + 2 * r, block + 2, 2);
            return;
        case ScaleKind::ByteMinimum: {
            const std::byte* s = block + 4;
            const bool low = g < 4;
            set(r, low ? at(s, g) & 63U : (at(s, g + 4) & 15U) | at(s, g - 4) >> 6 << 4);
            set(16 + r,
                low ? at(s, g + 4) & 63U : static_cast<unsigned>(at(s, g + 4) >> 4 | at(s, g) >> 6 << 4));
            return;
        }
        case ScaleKind::SignedByte:
            set(r, ((at(block, 4 + g / 2) >> (g % 2 * 4) & 15U) |
                    ((at(block, 2) | static_cast<unsigned>(at(block, 3)) << 8) >> (2 * g) & 3U) << 4) -
                       32U);
            return;
        case ScaleKind::Signed16:
            for (int half = 0; half < 2; ++half) {
                const int j = g * 2 + half;
                if (type == DType::Q6_K) {
                    set(16 * half + r, at(block, 192 + j));
                } else {
                    const unsigned low = j < 8 ? at(block, 96 + j) & 15U : at(block, 96 + j - 8) >> 4;
                    set(16 * half + r, (low | (at(block, 104 + j % 4) >> (j / 4 * 2) & 3U) << 4) - 32U);
                }
            }
            return;
        case ScaleKind::Nibbles16:
            for (int half = 0; half < 2; ++half) set(16 * half + r, at(block, g * 2 + half));
            return;
    }
}

/// Byte offset of (d, dmin) within a stored K block; dmin follows d where there is one.
int superOffset(DType type) {
    switch (type) {
        case DType::Q2_K:
            return 80;
        case DType::Q3_K:
            return 108;
        case DType::Q6_K:
            return 208;
        default:
            return 0;
    }
}

void packPlanes(const PackedFormat& format, const uint8_t (&quants)[8][64], std::byte* out) {
    auto* to = reinterpret_cast<uint8_t*>(out);
    const auto vector = [&](auto&& combine) {
        for (int i = 0; i < 64; ++i) to[i] = static_cast<uint8_t>(combine(i));
        to += 64;
    };
    if (format.bytes)
        for (const auto& step : quants) vector([&](int i) { return step[i]; });
    if (format.quads)
        for (int v = 0; v < 4; ++v)
            vector([&](int i) { return (quants[v][i] & 15) | (quants[v + 4][i] & 15) << 4; });
    const int pairShift = format.quads ? 4 : 0, singleShift = format.quads ? 4 : 2;
    if (format.pairs)
        for (int h = 0; h < 2; ++h)
            vector([&](int i) {
                int word = 0;
                for (int j = 0; j < 4; ++j) word |= (quants[4 * h + j][i] >> pairShift & 3) << (2 * j);
                return word;
            });
    if (format.singles)
        vector([&](int i) {
            int word = 0;
            for (int j = 0; j < 8; ++j) word |= (quants[j][i] >> singleShift & 1) << j;
            return word;
        });
}

}  // namespace

PackedMatrix allocatePacked(const HostMatrix& source) {
    const PackedFormat format = packedFormat(source.dtype);
    PackedMatrix m;
    m.type = source.dtype;
    m.rows = static_cast<int>(source.rows);
    m.columns = static_cast<int>(source.columns);
    m.groups = m.columns / kGroupColumns;
    m.rowTiles = (m.rows + kTileRows - 1) / kTileRows;
    m.tileBytes = static_cast<size_t>(m.groups) * static_cast<size_t>(format.groupBytes()) +
                  static_cast<size_t>((m.groups + 7) / 8) * static_cast<size_t>(format.superBytes);
    m.tileBytes = (m.tileBytes + 63) / 64 * 64;
    const size_t bytes = m.tileBytes * static_cast<size_t>(m.rowTiles);
    m.data.reset(new (std::align_val_t{64}, std::nothrow) std::byte[bytes]);
    if (m.data == nullptr)
        throw OutOfDeviceMemory("no memory for " + std::to_string(bytes >> 20) +
                                " MiB of weights; close other programs or choose a smaller model");
    return m;
}

void packTile(PackedMatrix& to, const HostMatrix& source, int tile) {
    const PackedFormat format = packedFormat(to.type);
    const size_t stride = rowBytes(source.dtype, source.columns);
    std::byte* out = to.data.get() + static_cast<size_t>(tile) * to.tileBytes;
    std::memset(out, 0, to.tileBytes);
    const int firstRow = tile * kTileRows, count = std::min(kTileRows, to.rows - firstRow);
    for (int group = 0; group < to.groups; ++group) {
        if (format.superBytes > 0 && group % 8 == 0) {
            for (int r = 0; r < count; ++r) {
                const std::byte* block =
                    source.data + static_cast<size_t>(firstRow + r) * stride +
                    static_cast<size_t>(group / 8) * static_cast<size_t>(dtypeInfo(to.type).blockBytes) +
                    superOffset(to.type);
                std::memcpy(out + 2 * r, block, 2);
                if (format.superBytes == 64) std::memcpy(out + 32 + 2 * r, block + 2, 2);
            }
            out += format.superBytes;
        }
        uint8_t quants[8][64] = {};
        for (int r = 0; r < count; ++r) {
            const std::byte* row = source.data + static_cast<size_t>(firstRow + r) * stride;
            uint8_t unpacked[kGroupColumns];
            unpackGroup(to.type, row, group, unpacked);
            for (int step = 0; step < 8; ++step) std::memcpy(&quants[step][4 * r], &unpacked[4 * step], 4);
            packScales(to.type, row, group, out + format.planeBytes(), r);
        }
        packPlanes(format, quants, out);
        out += format.groupBytes();
    }
}

}  // namespace kernels::detail
