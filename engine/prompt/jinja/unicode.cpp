#include "engine/prompt/jinja/unicode.h"

#include <algorithm>

#include "engine/tokenizer/utf8.h"

namespace engine::jinja {
namespace {

/// Runs are sorted by their first code point; those of stride 2 may interleave with one neighbour, so the run
/// before the last candidate is asked too.
template <class Run>
const Run* findRun(std::span<const Run> runs, uint32_t c) {
    auto after = std::upper_bound(runs.begin(), runs.end(), c,
                                  [](uint32_t value, const Run& run) { return value < run.first; });
    for (int tries = 0; tries < 3 && after != runs.begin(); ++tries) {
        --after;
        if (c <= after->last && (c - after->first) % after->stride == 0) return &*after;
    }
    return nullptr;
}

}  // namespace

bool hasProperty(char32_t c, CharacterProperty property) {
    return findRun(runsOf(property), static_cast<uint32_t>(c)) != nullptr;
}

bool isSpace(char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

bool isLineBreak(char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool isWord(char32_t c) {
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return hasProperty(c, CharacterProperty::Alpha) || hasProperty(c, CharacterProperty::Numeric) ||
           hasProperty(c, CharacterProperty::Digit) || hasProperty(c, CharacterProperty::Decimal);
}

void appendUtf8(char32_t c, std::string& out) {
    const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) {
        out += static_cast<char>(c);
    } else if (c < 0x800) {
        out += static_cast<char>(0xC0 | (c >> 6));
        tail(0);
    } else if (c < 0x10000) {
        out += static_cast<char>(0xE0 | (c >> 12));
        tail(6);
        tail(0);
    } else {
        out += static_cast<char>(0xF0 | (c >> 18));
        tail(12);
        tail(6);
        tail(0);
    }
}

void appendMapped(char32_t c, CaseMapping mapping, std::string& out) {
    if (c < 0x80) {
        if (mapping == CaseMapping::Upper || mapping == CaseMapping::Title)
            out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
        else
            out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        return;
    }
    const auto several = caseSequences(mapping);
    const auto found =
        std::lower_bound(several.begin(), several.end(), static_cast<uint32_t>(c),
                         [](const CaseSequence& sequence, uint32_t value) { return sequence.from < value; });
    if (found != several.end() && found->from == c) {
        for (const uint32_t to : found->to)
            if (to != 0) appendUtf8(to, out);
        return;
    }
    const CaseRun* run = findRun(caseRuns(mapping), static_cast<uint32_t>(c));
    appendUtf8(run == nullptr ? c : static_cast<char32_t>(static_cast<int32_t>(c) + run->delta), out);
}

char32_t nextCharacter(std::string_view text, size_t& position) {
    const auto first = static_cast<unsigned char>(text[position]);
    if (first < 0x80) {
        ++position;
        return first;
    }
    const Utf8Step step = utf8Step(text.substr(position));
    position += step.bytes;
    return step.kind == Utf8Step::Kind::Character ? step.codePoint : U'\xFFFD';
}

size_t characterCount(std::string_view text) {
    size_t count = 0;
    for (size_t position = 0; position < text.size(); ++count) nextCharacter(text, position);
    return count;
}

std::vector<size_t> characterOffsets(std::string_view text) {
    std::vector<size_t> offsets;
    offsets.reserve(text.size() + 1);
    for (size_t position = 0; position < text.size(); nextCharacter(text, position))
        offsets.push_back(position);
    offsets.push_back(text.size());
    return offsets;
}

}  // namespace engine::jinja
