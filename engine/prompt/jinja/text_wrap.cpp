#include "engine/prompt/jinja/text_wrap.h"

#include <algorithm>
#include <deque>

#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

bool isBlank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/// A stretch of the line that stays together: white space, a word, or a part of one up to a hyphen.
struct Chunk {
    size_t begin, end;  // bytes
    size_t width;       // characters
    bool blank;
};

char32_t characterBefore(std::string_view text, size_t position) {
    size_t begin = position - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    return nextCharacter(text, begin);
}
bool isLetter(char32_t c) {
    return c != '_' && isWord(c) && !hasProperty(c, CharacterProperty::Decimal);
}

/// Whether a word may end behind the hyphen at `hyphen`: letters stand on both sides.
bool breaksBehind(std::string_view word, size_t hyphen) {
    if (hyphen < 2 || hyphen + 2 >= word.size() + 0) return false;
    const char32_t before = characterBefore(word, hyphen);
    const size_t start = hyphen - (before < 0x80 ? 1 : before < 0x800 ? 2 : before < 0x10000 ? 3 : 4);
    if (start == 0 || !isLetter(before)) return false;
    if (!isLetter(characterBefore(word, start)) && characterBefore(word, start) != '-') return false;
    size_t next = hyphen + 1;
    const char32_t first = nextCharacter(word, next);
    if (!isLetter(first) || next >= word.size()) return false;
    const char32_t second = nextCharacter(word, next);
    return isLetter(second) || (second == '-' && next < word.size());
}

std::vector<Chunk> chunksOf(std::string_view line, bool breakOnHyphens) {
    std::vector<Chunk> out;
    const auto add = [&](size_t begin, size_t end, bool blank) {
        if (begin < end) out.push_back({begin, end, characterCount(line.substr(begin, end - begin)), blank});
    };
    for (size_t position = 0; position < line.size();) {
        const size_t begin = position;
        const bool blank = isBlank(line[position]);
        while (position < line.size() && isBlank(line[position]) == blank) ++position;
        size_t from = begin;
        if (!blank && breakOnHyphens) {
            const auto word = line.substr(begin, position - begin);
            for (size_t i = 0; i < word.size(); ++i)
                if (word[i] == '-' && breaksBehind(word, i)) {
                    add(from, begin + i + 1, false);
                    from = begin + i + 1;
                }
        }
        add(from, position, blank);
    }
    return out;
}

/// Splits a chunk behind `width` characters.
size_t offsetOf(std::string_view text, size_t characters) {
    size_t position = 0;
    for (size_t i = 0; i < characters; ++i) nextCharacter(text, position);
    return position;
}

}  // namespace

std::vector<Text> wrapLine(const Text& line, size_t width, bool breakLongWords, bool breakOnHyphens) {
    const std::string_view bytes = line.bytes();
    const auto all = chunksOf(bytes, breakOnHyphens);
    std::deque<Chunk> rest(all.begin(), all.end());
    std::vector<Text> lines;
    while (!rest.empty()) {
        std::vector<Chunk> taken;
        size_t length = 0;
        if (!lines.empty() && rest.front().blank) rest.pop_front();
        while (!rest.empty() && length + rest.front().width <= width) {
            length += rest.front().width;
            taken.push_back(rest.front());
            rest.pop_front();
        }
        if (!rest.empty() && rest.front().width > width) {
            Chunk& longer = rest.front();
            if (breakLongWords) {
                size_t room = std::max<size_t>(width - length, width < 1 ? 1 : 0);
                const auto text = bytes.substr(longer.begin, longer.end - longer.begin);
                size_t cut = offsetOf(text, room);
                if (breakOnHyphens && longer.width > room) {
                    const size_t hyphen = text.substr(0, cut).rfind('-');
                    const auto head = text.substr(0, hyphen == std::string_view::npos ? 0 : hyphen);
                    if (hyphen != std::string_view::npos && hyphen > 0 &&
                        head.find_first_not_of('-') != std::string_view::npos)
                        cut = hyphen + 1;
                }
                room = characterCount(text.substr(0, cut));
                if (room > 0) taken.push_back({longer.begin, longer.begin + cut, room, longer.blank});
                longer.begin += cut;
                longer.width -= room;
            } else if (taken.empty()) {
                taken.push_back(longer);
                rest.pop_front();
            }
        }
        if (!taken.empty() && taken.back().blank) taken.pop_back();
        if (!taken.empty()) lines.push_back(line.slice(taken.front().begin, taken.back().end));
    }
    return lines;
}

}  // namespace engine::jinja
