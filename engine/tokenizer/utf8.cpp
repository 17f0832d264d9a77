#include "engine/tokenizer/utf8.h"

#include <cassert>
#include <cstdint>

namespace engine {
namespace {

/// What may follow a lead byte: how many bytes, and the range of the first of them (the later ones
/// are 80..BF).
struct Lead {
    size_t trailing;
    uint8_t low;
    uint8_t high;
};

Lead leadOf(uint8_t byte) {
    if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
    if (byte == 0xE0) return {2, 0xA0, 0xBF};
    if (byte == 0xED) return {2, 0x80, 0x9F};
    if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
    if (byte == 0xF0) return {3, 0x90, 0xBF};
    if (byte == 0xF4) return {3, 0x80, 0x8F};
    if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
    return {0, 0, 0};
}

}  // namespace

Utf8Step utf8Step(std::string_view text) {
    assert(!text.empty() && "a step needs a byte to look at");
    const auto first = static_cast<uint8_t>(text[0]);
    if (first < 0x80) return {Utf8Step::Kind::Character, 1, first};
    const Lead lead = leadOf(first);
    if (lead.trailing == 0) return {Utf8Step::Kind::Invalid, 1, 0};
    char32_t codePoint = first & (0x3Fu >> lead.trailing);
    for (size_t i = 1; i <= lead.trailing; ++i) {
        if (i == text.size()) return {Utf8Step::Kind::Incomplete, i, 0};
        const auto byte = static_cast<uint8_t>(text[i]);
        const uint8_t low = i == 1 ? lead.low : 0x80;
        const uint8_t high = i == 1 ? lead.high : 0xBF;
        if (byte < low || byte > high) return {Utf8Step::Kind::Invalid, i, 0};
        codePoint = (codePoint << 6) | (byte & 0x3Fu);
    }
    return {Utf8Step::Kind::Character, lead.trailing + 1, codePoint};
}

size_t validUtf8Prefix(std::string_view text) {
    size_t position = 0;
    while (position < text.size()) {
        if (static_cast<uint8_t>(text[position]) < 0x80) {
            ++position;
            continue;
        }
        const Utf8Step step = utf8Step(text.substr(position));
        if (step.kind != Utf8Step::Kind::Character) break;
        position += step.bytes;
    }
    return position;
}

}  // namespace engine
