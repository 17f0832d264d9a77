// Plain C++ that any compiler may vectorise for any processor.
#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/cpu/simd_kernels.h"

namespace kernels::detail {
namespace {

struct Simd {
    struct F {
        float lane[16];
    };
    struct I {
        int32_t lane[16];
    };
    struct B {
        uint8_t byte[64];
    };
    static constexpr Isa kIsa = Isa::Portable;
    static constexpr int kRows = 4;
    static constexpr bool kUnsignedWide = true;

    template <class Operation>
    static F makeF(Operation operation) {
        F result;
        for (int i = 0; i < 16; ++i) result.lane[i] = operation(i);
        return result;
    }
    static F zeroF() {
        return makeF([](int) { return 0.0F; });
    }
    static F set1(float x) {
        return makeF([=](int) { return x; });
    }
    static F loadF(const float* p) {
        return makeF([=](int i) { return p[i]; });
    }
    static void store(float* p, F x) { std::copy_n(x.lane, 16, p); }
    static F mul(F a, F b) {
        return makeF([&](int i) { return a.lane[i] * b.lane[i]; });
    }
    static F fma(F a, F b, F c) {
        return makeF([&](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; });
    }
    static F toFloat(I x) {
        return makeF([&](int i) { return static_cast<float>(x.lane[i]); });
    }
    static F loadHalves(const std::byte* p) {
        uint16_t halves[16];
        std::memcpy(halves, p, sizeof halves);
        return makeF([&](int i) { return halfToFloat(halves[i]); });
    }
    static void storeHalves(uint16_t* p, F x) {
        for (int i = 0; i < 16; ++i) p[i] = floatToHalf(x.lane[i]);
    }
    static F loadUnsignedBytes(const std::byte* p) {
        return makeF([=](int i) { return static_cast<float>(static_cast<uint8_t>(p[i])); });
    }
    static F loadSignedBytes(const std::byte* p) {
        return makeF([=](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
    }
    static F loadLowNibbles(const std::byte* p) {
        return makeF([=](int i) { return static_cast<float>(static_cast<uint8_t>(p[i]) & 15); });
    }
    static F loadHighNibbles(const std::byte* p) {
        return makeF([=](int i) { return static_cast<float>(static_cast<uint8_t>(p[i]) >> 4); });
    }

    static I zeroI() { return {}; }
    static I add(I a, I b) {
        for (int i = 0; i < 16; ++i) a.lane[i] += b.lane[i];
        return a;
    }
    static I subtract(I a, int b) {
        for (int32_t& lane : a.lane) lane -= b;
        return a;
    }
    static I dot(I sum, const B& quants, const int8_t* four) {
        for (int i = 0; i < 16; ++i)
            for (int j = 0; j < 4; ++j) sum.lane[i] += quants.byte[4 * i + j] * four[j];
        return sum;
    }

    template <class Operation>
    static B makeB(Operation operation) {
        B result;
        for (int i = 0; i < 64; ++i) result.byte[i] = static_cast<uint8_t>(operation(i));
        return result;
    }
    static B load(const std::byte* p) {
        return makeB([=](int i) { return static_cast<uint8_t>(p[i]); });
    }
    template <int kShift, int kMask>
    static B bits(const B& x) {
        return makeB([&](int i) { return x.byte[i] >> kShift & kMask; });
    }
    static B bitsAt(const B& x, int shift, int mask) {
        return makeB([&](int i) { return x.byte[i] >> shift & mask; });
    }
    static B insert4(const B& low, const B& high) {
        return makeB([&](int i) { return low.byte[i] | high.byte[i] << 4; });
    }
    static B insert2(const B& low, const B& high) {
        return makeB([&](int i) { return low.byte[i] | high.byte[i] << 2; });
    }
    static B lookup(const B& index) {
        return makeB([&](int i) { return kIq4Table[index.byte[i]]; });
    }
    static void prefetch(const std::byte* p) { __builtin_prefetch(p); }
};

#include "kernels/cpu/simd_kernels.inc"

}  // namespace

const SimdKernels& portableKernels() {
    return kKernels;
}

}  // namespace kernels::detail
