#include <cmath>

#include "engine/prompt/jinja/format.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/runtime.h"

/// Python's arithmetic on numbers, and what + and * do to texts and lists.
namespace engine::jinja {
namespace {

constexpr const char* kTooLarge = "the template computes a number that is too large";

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

}  // namespace engine::jinja
