#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What Python's str knows about characters; templates are written against it.
namespace engine::jinja {

enum class CharacterProperty : uint8_t {
    Alpha,
    Decimal,
    Digit,
    Numeric,
    Unprintable,
    Lower,
    Upper,
    Title,
    Cased,          ///< and not CaseIgnorable
    CaseIgnorable,  ///< passed over when asking whether a sigma ends its word
};
enum class CaseMapping : uint8_t { Upper, Lower, Title, Fold };

bool hasProperty(char32_t c, CharacterProperty property);
/// Python's str.isspace and the \s of its regular expressions.
bool isSpace(char32_t c);
/// One of the characters that str.splitlines breaks at.
bool isLineBreak(char32_t c);
/// The \w of Python's regular expressions.
bool isWord(char32_t c);

/// Appends what one character becomes (up to three), by Unicode's full mapping without context.
void appendMapped(char32_t c, CaseMapping mapping, std::string& out);
void appendUtf8(char32_t c, std::string& out);

/// The character that starts at `position` of valid UTF-8, which moves behind it. A byte that starts none is
/// taken as U+FFFD.
char32_t nextCharacter(std::string_view text, size_t& position);
size_t characterCount(std::string_view text);
/// Byte offsets of all characters and, last, of the end.
std::vector<size_t> characterOffsets(std::string_view text);

// --- the tables (unicode_data.cpp) ---
struct CodePointRun {
    uint32_t first, last, stride;
};
struct CaseRun {
    uint32_t first, last, stride;
    int32_t delta;
};
struct CaseSequence {
    uint32_t from, to[3];
};
std::span<const CodePointRun> runsOf(CharacterProperty property);
std::span<const CaseRun> caseRuns(CaseMapping mapping);
std::span<const CaseSequence> caseSequences(CaseMapping mapping);

}  // namespace engine::jinja
