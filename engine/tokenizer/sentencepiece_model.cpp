#include "engine/tokenizer/sentencepiece_model.h"

#include <bitset>
#include <charconv>
#include <cstring>

namespace engine {
namespace {

constexpr std::string_view kLowerBlock = "▁";  // U+2581, which these vocabularies write for a space
constexpr std::string_view kStandInForUnknown = "<no unknown token>";

enum class WireType : uint32_t { Varint = 0, Bytes = 2, Fixed32 = 5 };

void putVarint(std::string& out, uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<char>((value & 0x7F) | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<char>(value));
}

void putTag(std::string& out, uint32_t field, WireType type) {
    putVarint(out, (field << 3) | static_cast<uint32_t>(type));
}

void putInteger(std::string& out, uint32_t field, int64_t value) {
    putTag(out, field, WireType::Varint);
    putVarint(out, static_cast<uint64_t>(value));
}

void putBytes(std::string& out, uint32_t field, std::string_view bytes) {
    putTag(out, field, WireType::Bytes);
    putVarint(out, bytes.size());
    out += bytes;
}

void putFloat(std::string& out, uint32_t field, float value) {
    putTag(out, field, WireType::Fixed32);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof bytes);
}

std::string withLowerBlocks(std::string_view text) {
    std::string result;
    for (char c : text) {
        if (c == ' ') {
            result += kLowerBlock;
        } else {
            result += c;
        }
    }
    return result;
}

/// The type under which the library keeps a token. It must know one unknown piece, and must never find a
/// token in a text that only a template may write, nor make a user-defined one of a space that it added
/// itself: where it adds one, those tokens have been taken out of the text before.
TokenType typeForLibrary(const Vocabulary& vocabulary, TokenId id, bool byteFallback, bool addSpacePrefix) {
    if (id == vocabulary.unknown) return TokenType::Unknown;
    switch (vocabulary.type(id)) {
        case TokenType::Unknown:
            return TokenType::Control;
        case TokenType::Undefined:
            return TokenType::Normal;
        case TokenType::Byte:
            return byteFallback ? TokenType::Byte : TokenType::Control;
        case TokenType::UserDefined:
            return addSpacePrefix || looksLikeMarker(vocabulary.texts[static_cast<size_t>(id)])
                       ? TokenType::Control
                       : TokenType::UserDefined;
        default:
            return vocabulary.type(id);
    }
}

void putPiece(std::string& out, std::string_view text, float score, TokenType type) {
    std::string piece;
    putBytes(piece, 1, text);
    putFloat(piece, 2, score);
    putInteger(piece, 3, static_cast<int64_t>(type));
    putBytes(out, 1, piece);
}

}  // namespace

std::optional<uint8_t> byteOfToken(std::string_view tokenText) {
    if (tokenText.size() != 6 || !tokenText.starts_with("<0x") || tokenText.back() != '>')
        return std::nullopt;
    uint8_t byte = 0;
    const char* end = tokenText.data() + 5;
    const auto [stop, error] = std::from_chars(tokenText.data() + 3, end, byte, 16);
    if (error != std::errc() || stop != end) return std::nullopt;
    return byte;
}

bool hasAllByteTokens(const Vocabulary& vocabulary) {
    std::bitset<256> found;
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
        if (vocabulary.type(id) != TokenType::Byte) continue;
        const auto byte = byteOfToken(vocabulary.texts[static_cast<size_t>(id)]);
        if (!byte) return false;
        found.set(*byte);
    }
    return found.all();
}

std::string sentencePieceModel(const Vocabulary& vocabulary, bool addSpacePrefix) {
    constexpr int64_t kBytePairModel = 2;
    const bool byteFallback = hasAllByteTokens(vocabulary);
    std::string model;
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
        const auto index = static_cast<size_t>(id);
        const TokenType type = typeForLibrary(vocabulary, id, byteFallback, addSpacePrefix);
        const float score = vocabulary.scores.empty() ? 0.0F : vocabulary.scores[index];
        const std::string& text = vocabulary.texts[index];
        putPiece(model, type == TokenType::UserDefined ? withLowerBlocks(text) : text, score, type);
    }
    if (!vocabulary.unknown) putPiece(model, kStandInForUnknown, 0.0F, TokenType::Unknown);

    std::string trainer;
    putInteger(trainer, 3, kBytePairModel);
    putInteger(trainer, 35, byteFallback ? 1 : 0);
    putInteger(trainer, 40, vocabulary.unknown.value_or(vocabulary.size()));
    putInteger(trainer, 41, vocabulary.bos.value_or(-1));
    putInteger(trainer, 42, vocabulary.eos.value_or(-1));
    putBytes(model, 2, trainer);

    std::string normalizer;
    putBytes(normalizer, 1, "identity");
    putInteger(normalizer, 3, addSpacePrefix ? 1 : 0);
    putInteger(normalizer, 4, 0);  // keep every space
    putInteger(normalizer, 5, 1);
    putBytes(model, 3, normalizer);
    return model;
}

}  // namespace engine
