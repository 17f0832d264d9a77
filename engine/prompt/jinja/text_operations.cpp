#include "engine/prompt/jinja/text_operations.h"

#include <algorithm>
#include <cstring>

#include "engine/prompt/jinja/budget.h"

namespace engine::jinja {
namespace {

constexpr size_t kNone = std::string_view::npos;

/// Byte ranges of the stretches without white space.
std::vector<std::pair<size_t, size_t>> words(std::string_view text) {
    std::vector<std::pair<size_t, size_t>> out;
    size_t begin = kNone;
    for (size_t position = 0; position < text.size();) {
        const size_t at = position;
        const bool space = isSpace(nextCharacter(text, position));
        if (space && begin != kNone) out.emplace_back(std::exchange(begin, kNone), at);
        if (!space && begin == kNone) begin = at;
    }
    if (begin != kNone) out.emplace_back(begin, text.size());
    return out;
}

void requireSeparator(const Text& separator) {
    if (separator.empty()) raise("empty separator");
}

}  // namespace

Text strip(const Text& text, Side side, const Text* characters) {
    const auto set = characters == nullptr ? std::vector<char32_t>() : charactersOf(*characters);
    const auto goes = [&](char32_t c) {
        return characters == nullptr ? isSpace(c) : std::find(set.begin(), set.end(), c) != set.end();
    };
    size_t begin = kNone, end = 0;
    for (size_t position = 0; position < text.size();) {
        const size_t at = position;
        if (goes(nextCharacter(text.bytes(), position))) continue;
        if (begin == kNone) begin = at;
        end = position;
    }
    if (begin == kNone) return {};
    return text.slice(side == Side::Right ? 0 : begin, side == Side::Left ? text.size() : end);
}

std::vector<Text> split(const Text& text, const Text* separator, long limit) {
    std::vector<Text> out;
    const auto full = [&] { return limit >= 0 && out.size() >= static_cast<size_t>(limit); };
    if (separator == nullptr) {
        for (const auto& [begin, end] : words(text.bytes())) {
            if (full()) {
                out.push_back(strip(text.slice(begin, text.size()), Side::Left));
                return out;
            }
            out.push_back(text.slice(begin, end));
        }
        return out;
    }
    requireSeparator(*separator);
    size_t begin = 0;
    while (!full()) {
        const size_t end = findFrom(text.bytes(), separator->bytes(), begin);
        if (end == kNone) break;
        out.push_back(text.slice(begin, end));
        begin = end + separator->size();
    }
    out.push_back(text.slice(begin, text.size()));
    return out;
}

std::vector<Text> splitFromRight(const Text& text, const Text* separator, long limit) {
    if (limit < 0) return split(text, separator, limit);
    std::vector<Text> out;
    const auto full = [&] { return out.size() >= static_cast<size_t>(limit); };
    size_t end = text.size();
    if (separator == nullptr) {
        const auto all = words(text.bytes());
        for (auto word = all.rbegin(); word != all.rend(); ++word) {
            if (full()) {
                out.push_back(text.slice(0, word->second));
                break;
            }
            out.push_back(text.slice(word->first, word->second));
        }
    } else {
        requireSeparator(*separator);
        const BackwardFinder finder(text.bytes(), separator->bytes());
        while (!full()) {
            const size_t at = finder.before(end);
            if (at == kNone) break;
            out.push_back(text.slice(at + separator->size(), end));
            end = at;
        }
        out.push_back(text.slice(0, end));
    }
    std::reverse(out.begin(), out.end());
    return out;
}

std::vector<Text> splitLines(const Text& text, bool keepEnds) {
    std::vector<Text> out;
    const std::string& bytes = text.bytes();
    size_t begin = 0;
    for (size_t position = 0; position < bytes.size();) {
        const size_t end = position;
        const char32_t c = nextCharacter(bytes, position);
        if (!isLineBreak(c)) continue;
        if (c == '\r' && position < bytes.size() && bytes[position] == '\n') ++position;
        out.push_back(text.slice(begin, keepEnds ? position : end));
        begin = position;
    }
    if (begin < bytes.size()) out.push_back(text.slice(begin, bytes.size()));
    return out;
}

size_t findFrom(std::string_view text, std::string_view part, size_t from) {
    if (from > text.size()) return kNone;
    if (part.empty()) return from;
    if (part.size() == 1) return text.find(part[0], from);
    const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
    return found == nullptr ? kNone : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

BackwardFinder::BackwardFinder(std::string_view text, std::string_view part) : text_(text), part_(part) {
    constexpr size_t kShort = 16;  // comparing so much at every position is still linear
    if (part.size() <= kShort) return;
    reversedText_.assign(text.rbegin(), text.rend());
    reversedPart_.assign(part.rbegin(), part.rend());
}

size_t BackwardFinder::before(size_t end) const {
    if (end < part_.size()) return kNone;
    if (reversedPart_.empty()) return text_.substr(0, end).rfind(part_);
    const size_t found = findFrom(reversedText_, reversedPart_, text_.size() - end);
    return found == kNone ? kNone : text_.size() - found - part_.size();
}

size_t countOf(std::string_view text, std::string_view part) {
    if (part.empty()) return characterCount(text) + 1;
    size_t count = 0;
    for (size_t at = findFrom(text, part, 0); at != kNone; at = findFrom(text, part, at + part.size()))
        ++count;
    return count;
}

Text replace(const Text& text, const Text& from, const Text& to, long limit) {
    Text out;
    const auto full = [&, done = 0L]() mutable { return limit >= 0 && done++ >= limit; };
    const auto fits = [&] {
        if (out.size() + to.size() > kMaxText)
            raise("the template builds a text of more than {} bytes", kMaxText);
    };
    auto isFull = full;
    size_t begin = 0;
    if (from.empty()) {
        // Between all characters, and at both ends.
        while (!isFull()) {
            fits();
            out.append(to);
            if (begin >= text.size()) return out;
            size_t next = begin;
            nextCharacter(text.bytes(), next);
            out.append(text, begin, next);
            begin = next;
        }
    } else {
        for (size_t at = findFrom(text.bytes(), from.bytes(), 0); at != kNone && !isFull();
             at = findFrom(text.bytes(), from.bytes(), begin)) {
            fits();
            out.append(text, begin, at);
            out.append(to);
            begin = at + from.size();
        }
    }
    out.append(text, begin, text.size());
    return out;
}

Text joined(const std::vector<Text>& parts, const Text& separator) {
    size_t size = 0;
    for (const Text& part : parts) size += part.size() + separator.size();
    if (size > kMaxText + separator.size())
        raise("the template builds a text of more than {} bytes", kMaxText);
    Text out;
    out.reserve(size);
    for (size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) out.append(separator);
        out.append(parts[i]);
    }
    return out;
}

Text pad(const Text& text, size_t before, size_t after, std::string_view fill) {
    if (before > kMaxText || after > kMaxText || (before + after) * fill.size() > kMaxText)
        raise("the template builds a text of more than {} bytes", kMaxText);
    Text out;
    for (size_t i = 0; i < before; ++i) out.append(fill, Origin::Template);
    out.append(text);
    for (size_t i = 0; i < after; ++i) out.append(fill, Origin::Template);
    return out;
}

Text centred(const Text& text, size_t width, std::string_view fill) {
    const size_t length = characterCount(text.bytes());
    if (width <= length) return text;
    const size_t room = width - length;
    // Python's own rounding: the odd space goes left when the width is odd.
    const size_t before = room / 2 + (room & width & 1);
    return pad(text, before, room - before, fill);
}

Text expandTabs(const Text& text, size_t tabSize) {
    Text out;
    size_t column = 0;
    for (size_t position = 0; position < text.size();) {
        const size_t begin = position;
        const char32_t c = nextCharacter(text.bytes(), position);
        if (c != '\t') {
            out.append(text, begin, position);
            column = c == '\n' || c == '\r' ? 0 : column + 1;
        } else if (tabSize > 0) {
            const size_t spaces = tabSize - column % tabSize;
            if (spaces > kMaxText || out.size() + spaces > kMaxText)
                raise("the template builds a text of more than {} bytes", kMaxText);
            out.append(std::string(spaces, ' '), text.originAt(begin));
            column += spaces;
        }
    }
    return out;
}

std::vector<char32_t> charactersOf(const Text& text) {
    std::vector<char32_t> out;
    for (size_t position = 0; position < text.size();) out.push_back(nextCharacter(text.bytes(), position));
    return out;
}

bool allCharacters(const Text& text, const std::function<bool(char32_t)>& passes) {
    for (size_t position = 0; position < text.size();)
        if (!passes(nextCharacter(text.bytes(), position))) return false;
    return !text.empty();
}

}  // namespace engine::jinja
