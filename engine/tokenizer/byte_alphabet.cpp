#include "engine/tokenizer/byte_alphabet.h"

#include <array>

#include "engine/tokenizer/utf8.h"

namespace engine {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr size_t kStandIns = 68;  // bytes that are not printable Latin-1

constexpr bool standsForItself(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

struct Alphabet {
    std::array<char32_t, 256> character{};
    std::array<uint8_t, kStandIns> standInByte{};
};

constexpr Alphabet makeAlphabet() {
    Alphabet alphabet;
    size_t standIns = 0;
    for (unsigned byte = 0; byte < 256; ++byte) {
        if (standsForItself(byte)) {
            alphabet.character[byte] = byte;
        } else {
            alphabet.character[byte] = kFirstStandIn + static_cast<char32_t>(standIns);
            alphabet.standInByte[standIns++] = static_cast<uint8_t>(byte);
        }
    }
    return alphabet;
}

constexpr Alphabet kAlphabet = makeAlphabet();

}  // namespace

std::optional<std::string> bytesOfSpelling(std::string_view spelling) {
    std::string bytes;
    bytes.reserve(spelling.size());
    while (!spelling.empty()) {
        const Utf8Step step = utf8Step(spelling);
        if (step.kind != Utf8Step::Kind::Character) return std::nullopt;
        const char32_t character = step.codePoint;
        if (character < 0x100 && standsForItself(character)) {
            bytes.push_back(static_cast<char>(character));
        } else if (character >= kFirstStandIn && character < kFirstStandIn + kStandIns) {
            bytes.push_back(static_cast<char>(kAlphabet.standInByte[character - kFirstStandIn]));
        } else {
            return std::nullopt;
        }
        spelling.remove_prefix(step.bytes);
    }
    return bytes;
}

std::string spellingOfBytes(std::string_view bytes) {
    std::string spelling;
    for (char c : bytes) {
        const char32_t character = kAlphabet.character[static_cast<uint8_t>(c)];
        if (character < 0x80) {
            spelling.push_back(static_cast<char>(character));
        } else {  // the alphabet ends at U+0143: two bytes of UTF-8 are enough
            spelling.push_back(static_cast<char>(0xC0 | (character >> 6)));
            spelling.push_back(static_cast<char>(0x80 | (character & 0x3F)));
        }
    }
    return spelling;
}

}  // namespace engine
