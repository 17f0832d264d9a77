#include <algorithm>
#include <cmath>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/filter_tables.h"
#include "engine/prompt/jinja/json_writer.h"
#include "engine/prompt/jinja/number_text.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/pretty_print.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"

namespace engine::jinja {
namespace {

Value fallBack(Runtime&, const Value& subject, Arguments given) {
    const Parameters parameters("default", std::move(given), {"default_value", "boolean"});
    if (!subject.isUndefined() && !(parameters.flag(1) && !truth(subject))) return subject;
    return parameters.valueOr(0, Value::string(Text()));
}

Value absolute(Runtime&, const Value& subject, Arguments given) {
    const Parameters none("abs", std::move(given), {});
    requireDefined(subject);
    if (subject.isFloat()) return Value::number(std::abs(subject.asDouble()));
    if (!subject.isIntegral()) raise("bad operand type for abs(): '{}'", typeName(subject));
    return subject.asInt() < 0 ? negate(subject) : plus(subject);
}

Value truncated(double value, const Value& fallback) {
    // Python would go on with a longer integer; the template gets the fallback of what is not finite.
    if (!std::isfinite(value)) return fallback;
    if (std::abs(value) > 1e38) raise("the template computes a number that is too large");
    return Value::integer(static_cast<Integer>(value));
}

Value toInteger(Runtime&, const Value& subject, Arguments given) {
    const Parameters parameters("int", std::move(given), {"default", "base"});
    const Value fallback = parameters.valueOr(0, Value::integer(0));
    requireDefined(subject);
    if (subject.isIntegral()) return Value::integer(subject.asInt());
    if (subject.isFloat()) return truncated(subject.asDouble(), fallback);
    if (!subject.isString()) return fallback;
    const Integer base = parameters.integer(1, 10);
    if (base == 0 || (base >= 2 && base <= 36))
        if (const auto value = parseInteger(subject.bytes(), static_cast<int>(base)))
            return Value::integer(*value);
    if (const auto value = parseReal(subject.bytes())) return truncated(*value, fallback);
    return fallback;
}

Value toReal(Runtime&, const Value& subject, Arguments given) {
    const Parameters parameters("float", std::move(given), {"default"});
    requireDefined(subject);
    if (subject.isNumber()) return Value::number(subject.asDouble());
    if (subject.isString())
        if (const auto value = parseReal(subject.bytes())) return Value::number(*value);
    return parameters.valueOr(0, Value::number(0));
}

Value rounded(Runtime&, const Value& subject, Arguments given) {
    const Parameters parameters("round", std::move(given), {"precision", "method"});
    const std::string method = parameters.text(1, "common").bytes();
    if (method != "common" && method != "ceil" && method != "floor")
        raise("method must be common, ceil or floor");
    requireDefined(subject);
    if (!subject.isNumber()) raise("type {} doesn't define __round__ method", typeName(subject));
    const Integer precision = parameters.given(0) ? parameters.integer(0, 0) : 0;
    if (precision > 300 || precision < -300) raise("round: the precision {} is out of range", precision);
    if (method == "common") {
        if (parameters.has(0) && parameters[0].isNone() && subject.isFloat())
            return truncated(std::nearbyint(subject.asDouble()), Value());
        if (subject.isIntegral())
            return Value::integer(roundInteger(subject.asInt(), static_cast<int>(precision)));
        return Value::number(roundReal(subject.asDouble(), static_cast<int>(precision)));
    }
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = subject.asDouble() * scale;
    if (!std::isfinite(scaled)) raise("cannot convert float {} to integer", formatFloat(scaled));
    return Value::number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value attribute(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("attr", std::move(given), {"name"}, 1);
    const Text name = parameters.text(0, "");
    // Attributes only: an item of a dict does not count.
    const Value missing = Value::undefined(missingMessage(subject, parameters[0]));
    if (subject.isUndefined()) requireDefined(subject);
    return hasAttribute(subject, name) ? getAttribute(runtime, subject, name) : missing;
}

Value toJson(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("tojson", std::move(given),
                                {"ensure_ascii", "indent", "separators", "sort_keys"});
    JsonStyle style;
    style.ensureAscii = parameters.flag(0);
    style.sortKeys = parameters.flag(3);
    if (parameters.given(1)) {
        if (parameters[1].isString()) {
            style.indent = parameters[1].text();
        } else {
            const auto width = static_cast<size_t>(std::clamp<Integer>(parameters.integer(1, 0), 0, 10'000));
            style.indent = Text(std::string(width, ' '), Origin::Data);
        }
    }
    style.itemSeparator = Text(style.indent ? "," : ", ", Origin::Data);
    style.keySeparator = Text(": ", Origin::Data);
    if (parameters.given(2)) {
        const auto separators = toVector(runtime, parameters[2]);
        if (separators.size() != 2 || !separators[0].isString() || !separators[1].isString())
            raise("tojson: separators must be a pair of texts");
        style.itemSeparator = separators[0].text();
        style.keySeparator = separators[1].text();
    }
    Text out = writeJson(subject, style);
    runtime.budget().text(out.size());
    return Value::string(std::move(out));
}

Value prettyPrinted(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("pprint", std::move(given), {});
    Text out = prettyPrint(subject);
    runtime.budget().text(out.size());
    return Value::string(std::move(out));
}

Value fileSize(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("filesizeformat", std::move(given), {"binary"});
    const bool binary = parameters.flag(0);
    requireDefined(subject);
    std::optional<double> bytes;
    if (subject.isNumber()) bytes = subject.asDouble();
    if (subject.isString()) bytes = parseReal(subject.bytes());
    if (!bytes || !std::isfinite(*bytes)) raise("filesizeformat: {} is not a number", reprBytes(subject));
    runtime.budget().step();
    const double base = binary ? 1024 : 1000;
    std::string out;
    if (*bytes == 1) {
        out = "1 Byte";
    } else if (*bytes < base) {
        out = fmt::format("{:.0f} Bytes", std::trunc(*bytes));
    } else {
        double unit = base * base;
        size_t i = 0;
        for (; *bytes >= unit && i < 7; ++i) unit *= base;
        const char letter = "kMGTPEZY"[i];
        out = fmt::format("{:.1f} {}{}", base * *bytes / unit, binary && letter == 'k' ? 'K' : letter,
                          binary ? "iB" : "B");
    }
    return Value::string(std::move(out), Origin::Template);
}

constexpr NamedFilter kFilters[] = {
    {"abs", absolute},  {"attr", attribute},          {"d", fallBack},    {"default", fallBack},
    {"float", toReal},  {"filesizeformat", fileSize}, {"int", toInteger}, {"pprint", prettyPrinted},
    {"round", rounded}, {"tojson", toJson},
};

}  // namespace

std::span<const NamedFilter> valueFilters() {
    return kFilters;
}

}  // namespace engine::jinja
