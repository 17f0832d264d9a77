#include "engine/prompt/jinja/text_operations.h"

/// Upper case, lower case and title case, by Unicode's rules as Python applies them.
namespace engine::jinja {
namespace {

/// Applies `append(character, out)` to every character; what it appends has the character's origin.
template <class Append>
Text mapCharacters(const Text& text, Append append) {
    Text out;
    out.reserve(text.size());
    std::string bytes;
    for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        const char32_t c = nextCharacter(text.bytes(), position);
        bytes.clear();
        append(c, begin, bytes);
        out.append(bytes, text.originAt(begin));
    }
    return out;
}

bool isCasedOrIgnorable(char32_t c, CharacterProperty property) {
    if (c < 0x80 && property == CharacterProperty::Cased)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return hasProperty(c, property);
}

/// Whether the sigma in [begin, end) has a letter before it and none behind it.
bool endsWord(const std::vector<char32_t>& characters, size_t index) {
    const auto letterFrom = [&](size_t i, int step) {
        for (; i < characters.size(); i += static_cast<size_t>(step))  // wraps to a huge value below 0
            if (!hasProperty(characters[i], CharacterProperty::CaseIgnorable))
                return isCasedOrIgnorable(characters[i], CharacterProperty::Cased);
        return false;
    };
    return letterFrom(index - 1, -1) && !letterFrom(index + 1, 1);
}

bool hasLetterCase(char32_t c) {
    return hasProperty(c, CharacterProperty::Lower) || hasProperty(c, CharacterProperty::Upper) ||
           hasProperty(c, CharacterProperty::Title);
}

/// Lower-cases with the rule of the final sigma, starting at character `from`; the ones before are handled by
/// `first`.
template <class First>
Text lowerFrom(const Text& text, First first) {
    const bool hasSigma = text.bytes().find("\u03A3") != std::string::npos;
    const auto characters = hasSigma ? charactersOf(text) : std::vector<char32_t>();
    size_t index = 0;
    return mapCharacters(text, [&](char32_t c, size_t begin, std::string& out) {
        const size_t at = index++;
        if (first(c, begin, out)) return;
        if (c == U'\u03A3')
            out += endsWord(characters, at) ? "\u03C2" : "\u03C3";
        else
            appendMapped(c, CaseMapping::Lower, out);
    });
}

bool isAllOf(const Text& text, CharacterProperty wanted, CharacterProperty other) {
    bool any = false;
    for (size_t position = 0; position < text.size();) {
        const char32_t c = nextCharacter(text.bytes(), position);
        if (hasProperty(c, other) || hasProperty(c, CharacterProperty::Title)) return false;
        any |= hasProperty(c, wanted);
    }
    return any;
}

}  // namespace

Text upperCase(const Text& text) {
    return mapCharacters(
        text, [](char32_t c, size_t, std::string& out) { appendMapped(c, CaseMapping::Upper, out); });
}

Text foldCase(const Text& text) {
    return mapCharacters(
        text, [](char32_t c, size_t, std::string& out) { appendMapped(c, CaseMapping::Fold, out); });
}

Text lowerCase(const Text& text) {
    return lowerFrom(text, [](char32_t, size_t, std::string&) { return false; });
}

Text capitalise(const Text& text) {
    return lowerFrom(text, [](char32_t c, size_t begin, std::string& out) {
        if (begin > 0) return false;
        appendMapped(c, CaseMapping::Title, out);
        return true;
    });
}

Text swapCase(const Text& text) {
    return lowerFrom(text, [](char32_t c, size_t, std::string& out) {
        if (hasProperty(c, CharacterProperty::Upper)) return false;
        appendMapped(c, hasProperty(c, CharacterProperty::Lower) ? CaseMapping::Upper : CaseMapping::Lower,
                     out);
        return true;
    });
}

Text titleCase(const Text& text) {
    bool inWord = false;
    return lowerFrom(text, [&](char32_t c, size_t, std::string& out) {
        const bool first = !inWord;
        inWord = hasLetterCase(c) || isCasedOrIgnorable(c, CharacterProperty::Cased);
        if (!first) return false;
        appendMapped(c, CaseMapping::Title, out);
        return true;
    });
}

bool isLowerCase(const Text& text) {
    return isAllOf(text, CharacterProperty::Lower, CharacterProperty::Upper);
}
bool isUpperCase(const Text& text) {
    return isAllOf(text, CharacterProperty::Upper, CharacterProperty::Lower);
}

bool isTitleCase(const Text& text) {
    bool any = false, inWord = false;
    for (size_t position = 0; position < text.size();) {
        const char32_t c = nextCharacter(text.bytes(), position);
        const bool upper =
            hasProperty(c, CharacterProperty::Upper) || hasProperty(c, CharacterProperty::Title);
        const bool lower = hasProperty(c, CharacterProperty::Lower);
        if (upper && inWord) return false;
        if (lower && !inWord) return false;
        inWord = upper || lower;
        any |= inWord;
    }
    return any;
}

}  // namespace engine::jinja
