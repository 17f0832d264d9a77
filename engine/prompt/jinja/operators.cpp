#include "engine/prompt/jinja/operators.h"

#include <cmath>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/object.h"

namespace engine::jinja {
namespace {

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
