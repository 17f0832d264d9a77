#pragma once

#include <cstddef>
#include <string_view>

namespace engine {

/// U+FFFD as UTF-8.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

/// What stands at the start of some bytes, by Unicode's table 3-7 (no overlong forms, no surrogates).
struct Utf8Step {
    enum class Kind {
        Character,   ///< `bytes` bytes are one character
        Invalid,     ///< `bytes` bytes are a maximal ill-formed part, to be replaced by one U+FFFD
        Incomplete,  ///< all `bytes` bytes up to the end may still become a character
    };
    Kind kind;
    size_t bytes;
    char32_t codePoint;  ///< for Character
};

/// `text` must not be empty. Constant time.
Utf8Step utf8Step(std::string_view text);

/// Bytes at the start of `text` that are valid UTF-8 (all of them, for valid text). Linear.
size_t validUtf8Prefix(std::string_view text);

}  // namespace engine
