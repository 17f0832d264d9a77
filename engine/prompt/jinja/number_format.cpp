#include "engine/prompt/jinja/number_format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

constexpr int kMaxPrecision = 10'000;

std::string inBase(Integer value, unsigned base, bool upper) {
    // Through the unsigned magnitude: the smallest Integer has no positive twin.
    __extension__ using Magnitude = unsigned __int128;
    auto rest = value < 0 ? Magnitude(0) - static_cast<Magnitude>(value) : static_cast<Magnitude>(value);
    std::string digits;
    do {
        digits += (upper ? "0123456789ABCDEF" : "0123456789abcdef")[static_cast<size_t>(rest % base)];
        rest /= base;
    } while (rest != 0);
    std::reverse(digits.begin(), digits.end());
    return digits;
}

std::string grouped(const std::string& digits, char separator, size_t every) {
    std::string out;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % every == 0) out += separator;
        out += digits[i];
    }
    return out;
}

std::string signOf(bool negative, char sign) {
    return negative ? "-" : sign == '-' ? "" : std::string(1, sign);
}

std::string printed(double value, char type, int precision, bool alternate) {
    const std::string format = std::string("%") + (alternate ? "#" : "") + ".*" + type;
    std::string out(512 + static_cast<size_t>(precision), '\0');
    const int length = std::snprintf(out.data(), out.size(), format.c_str(), precision, value);
    out.resize(static_cast<size_t>(length));
    return out;
}

/// With a precision and no type: as 'g', but never without a fraction unless there is an exponent.
std::string general(double value, int precision) {
    std::string out = printed(value, 'g', std::max(precision, 1), false);
    if (out.find_first_of(".en") != std::string::npos) return out;
    if (static_cast<int>(out.size()) >= std::max(precision, 1)) {
        // No room for the fraction: Python goes to an exponent.
        if (precision <= static_cast<int>(out.size())) {
            std::string exponent = printed(value, 'e', std::max(precision, 1) - 1, false);
            const size_t e = exponent.find('e');
            std::string digits = exponent.substr(0, e);
            if (digits.find('.') != std::string::npos) {
                digits.erase(digits.find_last_not_of('0') + 1);
                if (digits.back() == '.') digits.pop_back();
            }
            return digits + exponent.substr(e);
        }
    }
    return out + ".0";
}

}  // namespace

std::string formatInteger(Integer value, const FormatSpec& spec) {
    const char lower = static_cast<char>(spec.type | 0x20);
    const unsigned base = lower == 'x' ? 16 : spec.type == 'o' ? 8 : spec.type == 'b' ? 2 : 10;
    std::string digits = inBase(value, base, spec.type == 'X');
    if (spec.precision && static_cast<size_t>(*spec.precision) > digits.size())
        digits.insert(0, static_cast<size_t>(*spec.precision) - digits.size(), '0');
    if (spec.grouping != '\0') digits = grouped(digits, spec.grouping, base == 10 ? 3 : 4);
    const std::string prefix = spec.alternate && base != 10 ? std::string("0") + spec.type : "";
    return signOf(value < 0, spec.sign) + prefix + digits;
}

std::string formatReal(double value, const FormatSpec& spec) {
    char type = spec.type == 'n' ? 'g' : spec.type;
    const bool percent = type == '%', upper = type == 'E' || type == 'G' || type == 'F';
    double magnitude = std::abs(percent ? value * 100 : value);
    std::string digits;
    if (std::isnan(magnitude) || std::isinf(magnitude)) {
        digits = std::isnan(magnitude) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
    } else if (type == '\0' && !spec.precision) {
        digits = formatFloat(magnitude);
    } else if (type == '\0') {
        digits = general(magnitude, *spec.precision);
    } else {
        const int precision = spec.precision.value_or(6);
        digits = printed(magnitude, percent ? 'f' : type, precision, spec.alternate);
    }
    if (spec.grouping != '\0') {
        const size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
        digits = grouped(digits.substr(0, whole), spec.grouping, 3) + digits.substr(whole);
    }
    return signOf(std::signbit(value) && !std::isnan(value), spec.sign) + digits + (percent ? "%" : "");
}

Text fillUp(const Text& text, const FormatSpec& spec, char defaultAlign) {
    const size_t length = characterCount(text.bytes());
    if (length >= spec.width) return text;
    const size_t room = spec.width - length;
    const char align = spec.align == '\0' ? defaultAlign : spec.align;
    if (align == '<') return pad(text, 0, room, spec.fill);
    if (align == '^') return pad(text, room / 2, room - room / 2, spec.fill);
    if (align == '>') return pad(text, room, 0, spec.fill);
    // Behind the sign and the prefix of the base.
    const std::string& bytes = text.bytes();
    size_t head = !bytes.empty() && std::string_view("+- ").find(bytes[0]) != std::string_view::npos ? 1 : 0;
    if (spec.alternate && bytes.size() > head + 1 && bytes[head] == '0' && spec.type != '\0' &&
        bytes[head + 1] == spec.type)
        head += 2;
    Text out = text.slice(0, head);
    out.append(pad(text.slice(head, text.size()), room, 0, spec.fill));
    return out;
}

namespace {

FormatSpec parseSpec(std::string_view text) {
    FormatSpec spec;
    const auto isAlign = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    size_t at = 0;
    if (!text.empty()) {
        size_t next = 0;
        nextCharacter(text, next);
        if (next < text.size() && isAlign(text[next])) {
            spec.fill.assign(text.substr(0, next));
            spec.align = text[next];
            at = next + 1;
        } else if (isAlign(text[0])) {
            spec.align = text[0];
            at = 1;
        }
    }
    const auto take = [&](std::string_view any) -> char {
        return at < text.size() && any.find(text[at]) != std::string_view::npos ? text[at++] : '\0';
    };
    const auto number = [&](size_t limit) {
        size_t value = 0;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
            value = value * 10 + static_cast<size_t>(text[at++] - '0');
            if (value > limit) raise("a format asks for too many characters");
        }
        return value;
    };
    if (const char sign = take("+- ")) spec.sign = sign;
    spec.alternate = take("#") != '\0';
    if (take("0") != '\0' && spec.align == '\0') {
        spec.fill.assign(1, '0');
        spec.align = 'Z';  // '=' for numbers, the default for texts
    }
    spec.width = number(kMaxText);
    spec.grouping = take(",_");
    if (take(".") != '\0') {
        if (at >= text.size() || text[at] < '0' || text[at] > '9')
            raise("Format specifier missing precision");
        spec.precision = static_cast<int>(number(kMaxPrecision));
    }
    if (at < text.size()) spec.type = text[at++];
    if (at < text.size()) raise("Invalid format specifier '{}'", text);
    return spec;
}

[[noreturn]] void unknownCode(const Value& value, char type) {
    raise("Unknown format code '{}' for object of type '{}'", type, typeName(value));
}

}  // namespace

Text formatValue(const Value& value, std::string_view specText) {
    if (specText.empty()) return toText(value);
    if (!value.isString() && !value.isNumber())
        raise("unsupported format string passed to {}.__format__", typeName(value));
    FormatSpec spec = parseSpec(specText);
    if (value.isString()) {
        if (spec.type != '\0' && spec.type != 's') unknownCode(value, spec.type);
        if (spec.align == '=' || spec.sign != '-' || spec.alternate || spec.grouping != '\0')
            raise("Invalid format specifier '{}' for a str", specText);
        if (spec.align == 'Z') spec.align = '\0';
        Text text = value.text();
        if (spec.precision) {
            const auto offsets = characterOffsets(text.bytes());
            if (static_cast<size_t>(*spec.precision) + 1 < offsets.size())
                text = text.slice(0, offsets[static_cast<size_t>(*spec.precision)]);
        }
        return fillUp(text, spec, '<');
    }
    if (spec.align == 'Z') spec.align = '=';
    const bool realType =
        std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos && spec.type != '\0';
    if (value.isIntegral() && !realType) {
        if (spec.type == 'c') {
            if (value.asInt() < 0 || value.asInt() > 0x10FFFF) raise("%c arg not in range(0x110000)");
            std::string character;
            appendUtf8(static_cast<char32_t>(value.asInt()), character);
            return fillUp(Text(std::move(character), Origin::Data), spec, '<');
        }
        if (std::string_view("\0bdoxXn", 7).find(spec.type) == std::string_view::npos)
            unknownCode(value, spec.type);
        if (spec.precision) raise("Precision not allowed in integer format specifier");
        return fillUp(Text(formatInteger(value.asInt(), spec), Origin::Template), spec, '>');
    }
    if (spec.type != '\0' && spec.type != 'n' && !realType) unknownCode(value, spec.type);
    return fillUp(Text(formatReal(value.asDouble(), spec), Origin::Template), spec, '>');
}

}  // namespace engine::jinja
