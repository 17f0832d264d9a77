#include "engine/prompt/jinja/literals.h"

#include <algorithm>
#include <charconv>

#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

bool isDigitOf(char c, int base) {
    if (c >= '0' && c <= '9') return c - '0' < base;
    const char lower = static_cast<char>(c | 0x20);
    return base == 16 && lower >= 'a' && lower <= 'f';
}

/// Digits with single underscores between them, from `at`; the end, or `at` if none.
size_t digits(std::string_view text, size_t at, int base, bool leadingUnderscore = false) {
    size_t end = at;
    while (true) {
        size_t next = end;
        if (next < text.size() && text[next] == '_' && (end > at || leadingUnderscore)) ++next;
        if (next >= text.size() || !isDigitOf(text[next], base)) return end;
        end = next + 1;
    }
}

int prefixBase(std::string_view text) {
    if (text.size() < 2 || text[0] != '0') return 10;
    const char mark = static_cast<char>(text[1] | 0x20);
    return mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
}

std::string withoutUnderscores(std::string_view literal) {
    std::string plain(literal);
    plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
    return plain;
}

/// Reads an escape with `count` hex digits behind position `at`.
char32_t hexEscape(std::string_view inside, size_t at, size_t count) {
    uint32_t c = 0;
    const auto* begin = inside.data() + std::min(at, inside.size());
    const auto* end = inside.data() + std::min(at + count, inside.size());
    const auto read = std::from_chars(begin, end, c, 16);
    if (static_cast<size_t>(read.ptr - begin) != count || read.ec != std::errc())
        raise("a string literal has an escape with too few hexadecimal digits");
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        raise("a string literal has an escape that is no character");
    return c;
}

}  // namespace

size_t floatLength(std::string_view text) {
    const size_t whole = digits(text, 0, 10);
    if (whole == 0) return 0;
    size_t end = whole;
    if (end < text.size() && text[end] == '.') {
        const size_t fraction = digits(text, end + 1, 10);
        if (fraction > end + 1) end = fraction;
    }
    if (end < text.size() && (text[end] | 0x20) == 'e') {
        size_t exponent = end + 1;
        if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
        const size_t stop = digits(text, exponent, 10);
        if (stop > exponent) return stop;
    }
    return end > whole ? end : 0;
}

size_t integerLength(std::string_view text) {
    const int base = prefixBase(text);
    if (base != 10) {
        const size_t end = digits(text, 2, base, true);
        if (end > 2) return end;
    }
    if (!text.empty() && text[0] == '0') {
        size_t end = 1;
        while (true) {
            const size_t next = end < text.size() && text[end] == '_' ? end + 1 : end;
            if (next >= text.size() || text[next] != '0') return end;
            end = next + 1;
        }
    }
    return digits(text, 0, 10);
}

Value floatValue(std::string_view literal) {
    const std::string plain = withoutUnderscores(literal);
    double value = 0;
    const auto read = std::from_chars(plain.data(), plain.data() + plain.size(), value);
    if (read.ec == std::errc::result_out_of_range) raise("the number {} is too large or too small", literal);
    return Value::number(value);
}

Value integerValue(std::string_view literal) {
    const std::string plain = withoutUnderscores(literal);
    const int base = prefixBase(plain);
    Integer value = 0;
    for (const char c : std::string_view(plain).substr(base == 10 ? 0 : 2)) {
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        if (__builtin_mul_overflow(value, Integer(base), &value) ||
            __builtin_add_overflow(value, Integer(digit), &value))
            raise("the number {} is too large", literal);
    }
    return Value::integer(value);
}

size_t stringLength(std::string_view text) {
    const char quote = text[0];
    for (size_t i = 1; i < text.size(); ++i) {
        if (text[i] == quote) return i + 1;
        if (text[i] == '\\') ++i;
    }
    return 0;
}

std::string unescape(std::string_view inside) {
    std::string out;
    for (size_t i = 0; i < inside.size();) {
        if (inside[i] != '\\') {
            out += inside[i++];
            continue;
        }
        if (++i >= inside.size()) raise("a string literal ends with a backslash");
        const char c = inside[i++];
        static constexpr std::string_view kNames = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
        if (const size_t known = kNames.find(c); known != std::string_view::npos) {
            out += kValues[known];
        } else if (c == '\n') {
            continue;
        } else if (c >= '0' && c <= '7') {
            uint32_t value = static_cast<uint32_t>(c - '0');
            for (int more = 0; more < 2 && i < inside.size() && inside[i] >= '0' && inside[i] <= '7'; ++more)
                value = value * 8 + static_cast<uint32_t>(inside[i++] - '0');
            appendUtf8(value, out);
        } else if (c == 'x' || c == 'u' || c == 'U') {
            const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            appendUtf8(hexEscape(inside, i, count), out);
            i += count;
        } else if (c == 'N') {
            raise("a string literal names a character with \\N, which is not supported; write the character");
        } else if (static_cast<unsigned char>(c) >= 0x80) {
            // Python meets this character as an escape of its own, behind the backslash.
            const char32_t other = nextCharacter(inside, --i);
            out += '\\';
            out += other < 0x100     ? fmt::format("x{:02x}", static_cast<uint32_t>(other))
                   : other < 0x10000 ? fmt::format("u{:04x}", static_cast<uint32_t>(other))
                                     : fmt::format("U{:08x}", static_cast<uint32_t>(other));
        } else {
            out += '\\';
            out += c;
        }
    }
    return out;
}

}  // namespace engine::jinja
