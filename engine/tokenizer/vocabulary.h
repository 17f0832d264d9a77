#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/error.h"
#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// What a token is for (the numbers of `tokenizer.ggml.token_type`).
enum class TokenType : uint8_t {
    Undefined = 0,
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
};

/// The tokens of a model file and what the file says about them. Immutable once loaded.
struct Vocabulary {
    std::string model;                ///< tokenizer.ggml.model
    std::string pre;                  ///< tokenizer.ggml.pre
    std::string name;                 ///< general.name, lower case
    std::vector<std::string> texts;   ///< [tokens], as spelled in the file
    std::vector<std::string> pieces;  ///< [tokens], the bytes each stands for inside a text
    std::vector<float> scores;        ///< [tokens] or empty
    std::vector<TokenType> types;     ///< [tokens]
    std::unordered_map<std::string_view, TokenId> idOfText;  ///< views into `texts`
    std::optional<TokenId> bos;
    std::optional<TokenId> eos;
    std::optional<TokenId> unknown;
    std::optional<bool> addBos;  ///< as the file says; a missing key leaves it to the tokenizer
    std::optional<bool> addEos;
    std::optional<bool> addSpacePrefix;
    std::vector<TokenId> endOfGeneration;  ///< ascending

    Vocabulary() = default;
    Vocabulary(const Vocabulary&) = delete;  // idOfText points into texts
    Vocabulary& operator=(const Vocabulary&) = delete;

    int32_t size() const { return static_cast<int32_t>(texts.size()); }
    bool contains(TokenId id) const { return id >= 0 && id < size(); }
    TokenType type(TokenId id) const { return types[static_cast<size_t>(id)]; }
    /// Written into text only by a template, never by a person: recognised as itself only where that is asked
    /// for.
    bool isHidden(TokenId id) const {
        return type(id) == TokenType::Control || type(id) == TokenType::Unknown;
    }
};

/// Reads tokens, types, scores and special ids; marks turn-ending tokens as control tokens even where the
/// file forgot to. Leaves `pieces` to the tokenizer, which knows the spelling. Fails: NotFound, InvalidFile.
Result<std::unique_ptr<Vocabulary>> loadVocabulary(const GgufFile& file);

/// A user-defined token whose spelling marks turns or roles (`<|user|>`, `[INST]`): template text, although
/// the file lists it among the tokens that stand for ordinary text.
bool looksLikeMarker(std::string_view tokenText);

/// See Tokenizer::vocabularyHash.
uint64_t hashVocabulary(const Vocabulary& vocabulary);

}  // namespace engine
