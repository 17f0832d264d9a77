#include "engine/prompt/jinja/operators.h"

#include <cmath>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/format.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"

namespace engine::jinja {
namespace {

constexpr const char* kTooLarge = "the template computes a number that is too large";

/// Exactly, though not every Integer is a double: -1, 0, 1; 2 when one is not a number.
int compareNumbers(const Value& left, const Value& right) {
    if (left.isIntegral() && right.isIntegral()) {
        const Integer a = left.asInt(), b = right.asInt();
        return a < b ? -1 : a > b;
    }
    const double a = left.asDouble(), b = right.asDouble();
    if (std::isnan(a) || std::isnan(b)) return 2;
    if (left.isFloat() == right.isFloat() || std::abs(a) > 1e38 || std::abs(b) > 1e38 || a != b)
        return a < b ? -1 : a > b;
    // One is an integer that may have been rounded to the other.
    const Integer exactA = left.isFloat() ? static_cast<Integer>(a) : left.asInt();
    const Integer exactB = right.isFloat() ? static_cast<Integer>(b) : right.asInt();
    return exactA < exactB ? -1 : exactA > exactB;
}

bool equalDicts(const Dict& left, const Dict& right) {
    if (left.size() != right.size()) return false;
    for (const auto& [key, value] : left.entries()) {
        const Value* other = right.find(key);
        if (other == nullptr || !equals(value, *other)) return false;
    }
    return true;
}

const char* symbol(Order order) {
    switch (order) {
        case Order::Less:
            return "<";
        case Order::LessOrEqual:
            return "<=";
        case Order::Greater:
            return ">";
        case Order::GreaterOrEqual:
            return ">=";
    }
    return "";
}

bool holds(int comparison, Order order) {
    switch (order) {
        case Order::Less:
            return comparison < 0;
        case Order::LessOrEqual:
            return comparison <= 0;
        case Order::Greater:
            return comparison > 0;
        case Order::GreaterOrEqual:
            return comparison >= 0;
    }
    return false;
}

const char* symbol(Arithmetic operation) {
    switch (operation) {
        case Arithmetic::Add:
            return "+";
        case Arithmetic::Subtract:
            return "-";
        case Arithmetic::Multiply:
            return "*";
        case Arithmetic::Divide:
            return "/";
        case Arithmetic::FloorDivide:
            return "//";
        case Arithmetic::Modulo:
            return "%";
        case Arithmetic::Power:
            return "** or pow()";
    }
    return "";
}

Integer floorDivide(Integer a, Integer b) {
    // The one quotient that does not fit: its magnitude is one more than the largest.
    if (b == -1) {
        Integer negated = 0;
        if (__builtin_sub_overflow(Integer(0), a, &negated)) raise("{}", kTooLarge);
        return negated;
    }
    const Integer quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Integer modulo(Integer a, Integer b) {
    if (b == -1) return 0;
    const Integer rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double modulo(double a, double b) {
    double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
}

double floorDivide(double a, double b) {
    // Python takes the quotient from the exact remainder, so that (a // b) * b + a % b stays near a.
    const double rest = std::fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(0.0, a / b);
    const double floored = std::floor(quotient);
    return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value power(Integer base, Integer exponent) {
    if (exponent < 0) {
        if (base == 0) raise("0.0 cannot be raised to a negative power");
        return Value::number(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    }
    Integer result = 1;
    while (exponent > 0) {
        if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) raise("{}", kTooLarge);
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) raise("{}", kTooLarge);
    }
    return Value::integer(result);
}

Value integerArithmetic(Integer a, Arithmetic operation, Integer b) {
    Integer result = 0;
    switch (operation) {
        case Arithmetic::Add:
            if (__builtin_add_overflow(a, b, &result)) raise("{}", kTooLarge);
            return Value::integer(result);
        case Arithmetic::Subtract:
            if (__builtin_sub_overflow(a, b, &result)) raise("{}", kTooLarge);
            return Value::integer(result);
        case Arithmetic::Multiply:
            if (__builtin_mul_overflow(a, b, &result)) raise("{}", kTooLarge);
            return Value::integer(result);
        case Arithmetic::Divide:
            if (b == 0) raise("division by zero");
            return Value::number(static_cast<double>(a) / static_cast<double>(b));
        case Arithmetic::FloorDivide:
            if (b == 0) raise("integer division or modulo by zero");
            return Value::integer(floorDivide(a, b));
        case Arithmetic::Modulo:
            if (b == 0) raise("integer modulo by zero");
            return Value::integer(modulo(a, b));
        case Arithmetic::Power:
            return power(a, b);
    }
    return {};
}

Value floatArithmetic(double a, Arithmetic operation, double b) {
    switch (operation) {
        case Arithmetic::Add:
            return Value::number(a + b);
        case Arithmetic::Subtract:
            return Value::number(a - b);
        case Arithmetic::Multiply:
            return Value::number(a * b);
        case Arithmetic::Divide:
            if (b == 0) raise("float division by zero");
            return Value::number(a / b);
        case Arithmetic::FloorDivide:
            if (b == 0) raise("float floor division by zero");
            return Value::number(floorDivide(a, b));
        case Arithmetic::Modulo:
            if (b == 0) raise("float modulo");
            return Value::number(modulo(a, b));
        case Arithmetic::Power: {
            if (a == 0 && b < 0) raise("0.0 cannot be raised to a negative power");
            if (a < 0 && std::isfinite(b) && std::isfinite(a) && b != std::floor(b))
                raise("the template computes a complex number");
            const double result = std::pow(a, b);
            if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) raise("{}", kTooLarge);
            return Value::number(result);
        }
    }
    return {};
}

Value repeat(Runtime& runtime, const Value& value, Integer count) {
    const Integer times = count < 0 ? 0 : count;
    if (value.isString()) {
        const Text& text = value.text();
        if (text.empty() || times == 0) return Value::string(Text(), value.isMarkup());
        if (times > static_cast<Integer>(kMaxText / text.size() + 1)) runtime.budget().text(kMaxText + 1);
        runtime.budget().text(text.size() * static_cast<size_t>(times));
        Text out;
        out.reserve(text.size() * static_cast<size_t>(times));
        for (Integer i = 0; i < times; ++i) out.append(text);
        return Value::string(std::move(out), value.isMarkup());
    }
    const auto& items = value.items();
    std::vector<Value> out;
    if (!items.empty() && times > 0) {
        if (times > static_cast<Integer>(kMaxItems / items.size() + 1)) runtime.budget().items(kMaxItems + 1);
        runtime.budget().items(items.size() * static_cast<size_t>(times));
        for (Integer i = 0; i < times; ++i) out.insert(out.end(), items.begin(), items.end());
    }
    return value.isList() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

Value join(Runtime& runtime, const Value& left, const Value& right) {
    if (left.isString()) {
        const bool markup = left.isMarkup() || right.isMarkup();
        const Text head = markup && !left.isMarkup() ? escapeHtml(left.text()) : left.text();
        const Text tail = markup && !right.isMarkup() ? escapeHtml(right.text()) : right.text();
        runtime.budget().text(head.size() + tail.size());
        Text out;
        out.reserve(head.size() + tail.size());
        out.append(head);
        out.append(tail);
        return Value::string(std::move(out), markup);
    }
    runtime.budget().items(left.items().size() + right.items().size());
    std::vector<Value> out = left.items();
    out.insert(out.end(), right.items().begin(), right.items().end());
    return left.isList() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

bool repeatable(const Value& value) {
    return value.isString() || value.isSequence();
}

}  // namespace

std::string_view typeName(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Undefined:
            return "Undefined";
        case Value::Kind::None:
            return "NoneType";
        case Value::Kind::Bool:
            return "bool";
        case Value::Kind::Int:
            return "int";
        case Value::Kind::Float:
            return "float";
        case Value::Kind::String:
            return value.isMarkup() ? "Markup" : "str";
        case Value::Kind::List:
            return "list";
        case Value::Kind::Tuple:
            return "tuple";
        case Value::Kind::Dict:
            return "dict";
        case Value::Kind::Object:
            return value.asObject().typeName();
    }
    return "";
}

void requireDefined(const Value& value) {
    if (value.isUndefined()) raise("{}", value.undefinedMessage());
}

bool truth(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Undefined:
        case Value::Kind::None:
            return false;
        case Value::Kind::Bool:
        case Value::Kind::Int:
            return value.asInt() != 0;
        case Value::Kind::Float:
            return value.asDouble() != 0;
        case Value::Kind::String:
            return !value.text().empty();
        case Value::Kind::List:
        case Value::Kind::Tuple:
            return !value.items().empty();
        case Value::Kind::Dict:
            return value.asDict().size() != 0;
        case Value::Kind::Object:
            return value.asObject().truth();
    }
    return false;
}

bool equals(const Value& left, const Value& right) {
    if (left.isNumber() && right.isNumber()) return compareNumbers(left, right) == 0;
    if (left.kind() != right.kind()) return false;
    switch (left.kind()) {
        case Value::Kind::Undefined:
        case Value::Kind::None:
            return true;
        case Value::Kind::String:
            return left.bytes() == right.bytes();
        case Value::Kind::List:
        case Value::Kind::Tuple: {
            const auto &a = left.items(), &b = right.items();
            if (a.size() != b.size()) return false;
            for (size_t i = 0; i < a.size(); ++i)
                if (!equals(a[i], b[i])) return false;
            return true;
        }
        case Value::Kind::Dict:
            return equalDicts(left.asDict(), right.asDict());
        case Value::Kind::Object:
            return left.objectRef() == right.objectRef() || left.asObject().equals(right.asObject());
        default:
            return false;
    }
}

bool ordered(const Value& left, Order order, const Value& right) {
    requireDefined(left);
    requireDefined(right);
    if (left.isNumber() && right.isNumber()) {
        const int comparison = compareNumbers(left, right);
        return comparison != 2 && holds(comparison, order);
    }
    if (left.isString() && right.isString())  // the byte order of UTF-8 is that of its code points
        return holds(left.bytes().compare(right.bytes()), order);
    if (left.isSequence() && left.kind() == right.kind()) {
        const auto &a = left.items(), &b = right.items();
        for (size_t i = 0; i < a.size() && i < b.size(); ++i)
            if (!equals(a[i], b[i])) return ordered(a[i], order, b[i]);
        return holds(a.size() < b.size() ? -1 : a.size() > b.size(), order);
    }
    raise("'{}' not supported between instances of '{}' and '{}'", symbol(order), typeName(left),
          typeName(right));
}

Value arithmetic(Runtime& runtime, const Value& left, Arithmetic operation, const Value& right) {
    if (operation == Arithmetic::Modulo && left.isString()) return percentFormat(runtime, left, right);
    requireDefined(left);
    requireDefined(right);
    if (left.isIntegral() && right.isIntegral())
        return integerArithmetic(left.asInt(), operation, right.asInt());
    if (left.isNumber() && right.isNumber())
        return floatArithmetic(left.asDouble(), operation, right.asDouble());
    if (operation == Arithmetic::Multiply) {
        if (repeatable(left) && right.isIntegral()) return repeat(runtime, left, right.asInt());
        if (repeatable(right) && left.isIntegral()) return repeat(runtime, right, left.asInt());
    }
    if (operation == Arithmetic::Add) {
        if (left.kind() == right.kind() && repeatable(left)) return join(runtime, left, right);
        if (left.isString()) raise("can only concatenate str (not \"{}\") to str", typeName(right));
        if (left.isSequence())
            raise("can only concatenate {} (not \"{}\") to {}", typeName(left), typeName(right),
                  typeName(left));
    }
    raise("unsupported operand type(s) for {}: '{}' and '{}'", symbol(operation), typeName(left),
          typeName(right));
}

Value negate(const Value& value) {
    requireDefined(value);
    if (value.isIntegral()) return integerArithmetic(0, Arithmetic::Subtract, value.asInt());
    if (value.isFloat()) return Value::number(-value.asDouble());
    raise("bad operand type for unary -: '{}'", typeName(value));
}

Value plus(const Value& value) {
    requireDefined(value);
    if (value.isIntegral()) return Value::integer(value.asInt());
    if (value.isFloat()) return value;
    raise("bad operand type for unary +: '{}'", typeName(value));
}

Text escapeHtml(const Text& text) {
    const std::string& bytes = text.bytes();
    Text out;
    size_t kept = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
        const char* entity = bytes[i] == '&'    ? "&amp;"
                             : bytes[i] == '<'  ? "&lt;"
                             : bytes[i] == '>'  ? "&gt;"
                             : bytes[i] == '"'  ? "&#34;"
                             : bytes[i] == '\'' ? "&#39;"
                                                : nullptr;
        if (entity == nullptr) continue;
        out.append(text, kept, i);
        out.append(entity, text.originAt(i));
        kept = i + 1;
    }
    out.append(text, kept, bytes.size());
    return out;
}

}  // namespace engine::jinja
