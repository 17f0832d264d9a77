// The scalar meaning of every stored block. Layouts are those of GGUF files (ggml's block structs).
#include <array>
#include <bit>
#include <cstring>

#include "kernels/dtype.h"

namespace kernels {
namespace {

constexpr std::array<int, 16> kIq4Values{-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};

/// Reads little-endian fields of a block one after the other.
class Block {
  public:
    explicit Block(const std::byte* data) : data_(reinterpret_cast<const uint8_t*>(data)) {}
    float half(int at) const { return halfToFloat(static_cast<uint16_t>(u16(at))); }
    unsigned u16(int at) const { return static_cast<unsigned>(data_[at] | data_[at + 1] << 8); }
    uint8_t byte(int at) const { return data_[at]; }
    int8_t signedByte(int at) const { return static_cast<int8_t>(data_[at]); }
    /// Nibble i of 32 in 16 bytes: 16 low nibbles, then 16 high ones.
    int nibble(int at, int i) const { return i < 16 ? data_[at + i] & 15 : data_[at + i - 16] >> 4; }
    /// Bit i of a run of bytes.
    int bit(int at, int i) const { return data_[at + i / 8] >> (i % 8) & 1; }

  private:
    const uint8_t* data_;
};

struct ScaleAndMinimum {
    int scale, minimum;
};

/// 6-bit scale and minimum j of 8, packed in 12 bytes (Q4_K, Q5_K).
ScaleAndMinimum packedScale(const Block& b, int at, int j) {
    if (j < 4) return {b.byte(at + j) & 63, b.byte(at + j + 4) & 63};
    return {(b.byte(at + j + 4) & 15) | b.byte(at + j - 4) >> 6 << 4,
            b.byte(at + j + 4) >> 4 | b.byte(at + j) >> 6 << 4};
}

void blockQ4K(const Block& b, float* out, bool fiveBits) {
    const float d = b.half(0), dmin = b.half(2);
    const int quants = fiveBits ? 48 : 16;
    for (int group = 0; group < 8; ++group) {
        const ScaleAndMinimum s = packedScale(b, 4, group);
        const float scale = d * static_cast<float>(s.scale), minimum = dmin * static_cast<float>(s.minimum);
        for (int i = 0; i < 32; ++i) {
            int q = b.byte(quants + group / 2 * 32 + i) >> (group % 2 * 4) & 15;
            if (fiveBits) q |= (b.byte(16 + i) >> group & 1) << 4;
            out[group * 32 + i] = scale * static_cast<float>(q) - minimum;
        }
    }
}

void blockQ2K(const Block& b, float* out) {
    const float d = b.half(80), dmin = b.half(82);
    for (int k = 0; k < 256; ++k) {
        const int scale = b.byte(k / 16), q = b.byte(16 + k / 128 * 32 + k % 32) >> (k % 128 / 32 * 2) & 3;
        out[k] = d * static_cast<float>(scale & 15) * static_cast<float>(q) -
                 dmin * static_cast<float>(scale >> 4);
    }
}

void blockQ3K(const Block& b, float* out) {
    const float d = b.half(108);
    for (int k = 0; k < 256; ++k) {
        const int j = k / 16;
        const int low = j < 8 ? b.byte(96 + j) & 15 : b.byte(96 + j - 8) >> 4;
        const int scale = (low | (b.byte(104 + j % 4) >> (j / 4 * 2) & 3) << 4) - 32;
        const int q = (b.byte(32 + k / 128 * 32 + k % 32) >> (k % 128 / 32 * 2) & 3) -
                      ((b.byte(k % 32) >> (k / 32) & 1) != 0 ? 0 : 4);
        out[k] = d * static_cast<float>(scale) * static_cast<float>(q);
    }
}

void blockQ6K(const Block& b, float* out) {
    const float d = b.half(208);
    for (int k = 0; k < 256; ++k) {
        const int quarter = k % 128 / 32;
        const int low = b.byte(k / 128 * 64 + quarter % 2 * 32 + k % 32) >> (quarter / 2 * 4) & 15;
        const int high = b.byte(128 + k / 128 * 32 + k % 32) >> (quarter * 2) & 3;
        out[k] =
            d * static_cast<float>(b.signedByte(192 + k / 16)) * static_cast<float>((low | high << 4) - 32);
    }
}

void blockIq4Xs(const Block& b, float* out) {
    const float d = b.half(0);
    for (int group = 0; group < 8; ++group) {
        const int low = b.byte(4 + group / 2) >> (group % 2 * 4) & 15,
                  high = static_cast<int>(b.u16(2) >> (2 * group) & 3U);
        const float scale = d * static_cast<float>((low | high << 4) - 32);
        for (int i = 0; i < 32; ++i)
            out[group * 32 + i] =
                scale * static_cast<float>(kIq4Values[static_cast<size_t>(b.nibble(8 + group * 16, i))]);
    }
}

void dequantizeBlock(DType type, const Block& b, float* out) {
    // Types of 32 elements begin with their scale; some have a minimum behind it.
    const float d = b.half(0), m = b.half(2);
    switch (type) {
        case DType::Q4_0:
            for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(b.nibble(2, i) - 8);
            return;
        case DType::Q4_1:
            for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(b.nibble(4, i)) + m;
            return;
        case DType::Q5_0:
            for (int i = 0; i < 32; ++i)
                out[i] = d * static_cast<float>((b.nibble(6, i) | b.bit(2, i) << 4) - 16);
            return;
        case DType::Q5_1:
            for (int i = 0; i < 32; ++i)
                out[i] = d * static_cast<float>(b.nibble(8, i) | b.bit(4, i) << 4) + m;
            return;
        case DType::Q8_0:
            for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(b.signedByte(2 + i));
            return;
        case DType::IQ4_NL:
            for (int i = 0; i < 32; ++i)
                out[i] = d * static_cast<float>(kIq4Values[static_cast<size_t>(b.nibble(2, i))]);
            return;
        case DType::Q2_K:
            return blockQ2K(b, out);
        case DType::Q3_K:
            return blockQ3K(b, out);
        case DType::Q4_K:
            return blockQ4K(b, out, false);
        case DType::Q5_K:
            return blockQ4K(b, out, true);
        case DType::Q6_K:
            return blockQ6K(b, out);
        case DType::IQ4_XS:
            return blockIq4Xs(b, out);
        default:
            return;
    }
}

}  // namespace

void dequantizeRow(DType type, const std::byte* row, float* out, uint64_t columns) {
    switch (type) {
        case DType::F32:
            std::memcpy(out, row, columns * 4);
            return;
        case DType::F16:
            for (uint64_t i = 0; i < columns; ++i) out[i] = Block(row + 2 * i).half(0);
            return;
        case DType::BF16:
            for (uint64_t i = 0; i < columns; ++i)
                out[i] = std::bit_cast<float>(static_cast<uint32_t>(Block(row + 2 * i).u16(0)) << 16);
            return;
        default:
            break;
    }
    const DTypeInfo& info = dtypeInfo(type);
    for (uint64_t done = 0; done < columns;
         done += static_cast<uint64_t>(info.blockElements), row += info.blockBytes)
        dequantizeBlock(type, Block(row), out + done);
}

}  // namespace kernels
