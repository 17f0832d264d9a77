#include "engine/prompt/jinja/number_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

std::string stripped(std::string_view text) {
    return strip(Text(std::string(text), Origin::Data), Side::Both).bytes();
}

int digitOf(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

}  // namespace

std::optional<Integer> parseInteger(std::string_view text, int base) {
    const std::string plain = stripped(text);
    size_t at = 0;
    const bool negative = !plain.empty() && plain[0] == '-';
    if (!plain.empty() && (plain[0] == '-' || plain[0] == '+')) ++at;
    bool prefixed = false;
    if (plain.size() >= at + 2 && plain[at] == '0') {
        const char mark = static_cast<char>(plain[at + 1] | 0x20);
        const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
        if (marked != 0 && (base == 0 || base == marked)) {
            base = marked;
            at += 2;
            prefixed = true;
        }
    }
    const bool zeroOnly = base == 0 && plain.size() > at && plain[at] == '0';
    if (base == 0) base = 10;
    Integer value = 0;
    bool digit = false, underscore = false;
    for (; at < plain.size(); ++at) {
        if (plain[at] == '_') {
            if ((!digit && !prefixed) || underscore) return std::nullopt;
            underscore = true;
            continue;
        }
        const int next = digitOf(plain[at]);
        if (next >= base || (zeroOnly && next != 0)) return std::nullopt;
        if (__builtin_mul_overflow(value, Integer(base), &value) ||
            __builtin_add_overflow(value, Integer(next), &value))
            raise("the template computes a number that is too large");
        digit = true;
        underscore = false;
    }
    if (!digit || underscore) return std::nullopt;
    return negative ? -value : value;
}

std::optional<double> parseReal(std::string_view text) {
    std::string plain = stripped(text);
    std::string digits;
    for (size_t i = 0; i < plain.size(); ++i) {
        if (plain[i] != '_') {
            digits += plain[i];
            continue;
        }
        const auto isDigit = [&](size_t at) {
            return at < plain.size() && plain[at] >= '0' && plain[at] <= '9';
        };
        if (i == 0 || !isDigit(i - 1) || !isDigit(i + 1)) return std::nullopt;
    }
    const bool signedText = !digits.empty() && (digits[0] == '+' || digits[0] == '-');
    std::string body = digits.substr(signedText ? 1 : 0);
    for (char& c : body)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    const double sign = signedText && digits[0] == '-' ? -1 : 1;
    if (body == "inf" || body == "infinity") return sign * INFINITY;
    if (body == "nan") return NAN;
    if (body.empty() || !((body[0] >= '0' && body[0] <= '9') || body[0] == '.')) return std::nullopt;
    double value = 0;
    const auto read = std::from_chars(body.data(), body.data() + body.size(), value);
    if (read.ptr != body.data() + body.size() || read.ec == std::errc::invalid_argument) return std::nullopt;
    if (read.ec == std::errc::result_out_of_range) value = std::strtod(body.c_str(), nullptr);
    return sign * value;
}

double roundReal(double value, int digits) {
    if (!std::isfinite(value)) return value;
    if (digits >= 0) {
        char buffer[700];
        std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
        return std::strtod(buffer, nullptr);
    }
    const double scale = std::pow(10.0, -digits);
    const double result = std::nearbyint(value / scale) * scale;
    return std::isfinite(result) ? result : value;
}

Integer roundInteger(Integer value, int digits) {
    if (digits >= 0) return value;
    if (digits < -37) return 0;
    Integer scale = 1;
    for (int i = 0; i < -digits; ++i) scale *= 10;
    Integer rest = value % scale;
    if (rest < 0) rest += scale;
    const Integer low = value - rest;
    const bool odd = (low / scale) % 2 != 0;
    return rest * 2 > scale || (rest * 2 == scale && odd) ? low + scale : low;
}

}  // namespace engine::jinja
