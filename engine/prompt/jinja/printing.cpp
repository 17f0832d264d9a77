#include "engine/prompt/jinja/printing.h"

#include <charconv>
#include <cmath>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

void appendEscaped(Text& out, const Text& text, size_t begin, size_t end, char32_t c, char quote) {
    const Origin origin = text.originAt(begin);
    if (c == static_cast<char32_t>(quote) || c == '\\')
        out.append(std::string{'\\', static_cast<char>(c)}, origin);
    else if (c == '\n')
        out.append("\\n", origin);
    else if (c == '\r')
        out.append("\\r", origin);
    else if (c == '\t')
        out.append("\\t", origin);
    else if (c < 0x20 || c == 0x7F || (c >= 0x80 && hasProperty(c, CharacterProperty::Unprintable)))
        out.append(c < 0x100     ? fmt::format("\\x{:02x}", static_cast<uint32_t>(c))
                   : c < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(c))
                                 : fmt::format("\\U{:08x}", static_cast<uint32_t>(c)),
                   origin);
    else
        out.append(text, begin, end);
}

std::string scalarText(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::None:
            return "None";
        case Value::Kind::Bool:
            return value.asBool() ? "True" : "False";
        case Value::Kind::Int:
            return formatInt(value.asInt());
        case Value::Kind::Float:
            return formatFloat(value.asDouble());
        default:
            return "";
    }
}

}  // namespace

std::string formatInt(Integer value) {
    return fmt::format("{}", value);
}

std::string formatFloat(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    char buffer[32];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
    const std::string shortest(buffer, end);
    const size_t e = shortest.find('e');
    const int exponent = std::stoi(shortest.substr(e + 1));
    if (exponent < -4 || exponent >= 16) return shortest;
    std::string sign = value < 0 || std::signbit(value) ? "-" : "", digits;
    for (const char c : shortest.substr(0, e))
        if (c >= '0' && c <= '9') digits += c;
    if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
    const auto whole = static_cast<size_t>(exponent) + 1;
    if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

Text reprText(const Text& text) {
    const std::string& bytes = text.bytes();
    const char quote =
        bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos ? '"' : '\'';
    Text out;
    out.reserve(bytes.size() + 2);
    out.append(std::string_view(&quote, 1), Origin::Data);
    for (size_t position = 0; position < bytes.size();) {
        const size_t begin = position;
        const char32_t c = nextCharacter(bytes, position);
        appendEscaped(out, text, begin, position, c, quote);
    }
    out.append(std::string_view(&quote, 1), Origin::Data);
    return out;
}

bool Printer::enterNamespace() {
    if (inNamespace_) return false;
    inNamespace_ = true;
    return true;
}

void Printer::repr(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Undefined:
            write("Undefined");
            return;
        case Value::Kind::String: {
            if (value.isMarkup()) write("Markup(");
            out_.append(reprText(value.text()));
            if (value.isMarkup()) write(")");
            return;
        }
        case Value::Kind::List:
        case Value::Kind::Tuple: {
            const auto& items = value.items();
            write(value.isList() ? "[" : "(");
            for (size_t i = 0; i < items.size(); ++i) {
                if (i > 0) write(", ");
                repr(items[i]);
            }
            write(value.isList() ? "]" : items.size() == 1 ? ",)" : ")");
            return;
        }
        case Value::Kind::Dict: {
            write("{");
            bool first = true;
            for (const auto& [key, item] : value.asDict().entries()) {
                if (!first) write(", ");
                first = false;
                repr(key);
                write(": ");
                repr(item);
            }
            write("}");
            return;
        }
        case Value::Kind::Object:
            value.asObject().repr(*this);
            return;
        default:
            out_.append(scalarText(value), Origin::Template);
    }
}

Text toText(const Value& value) {
    if (value.isString()) return value.text();
    if (value.isUndefined()) return {};
    Printer printer;
    printer.repr(value);
    return printer.take();
}

std::string reprBytes(const Value& value) {
    Printer printer;
    printer.repr(value);
    return printer.take().bytes();
}

}  // namespace engine::jinja
