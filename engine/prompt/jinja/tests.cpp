#include "engine/prompt/jinja/tests.h"

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/filters.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

/// A test of the value alone.
template <bool (*F)(const Value&)>
bool plain(Runtime&, const Value& subject, Arguments given) {
    const Parameters none("test", std::move(given), {});
    return F(subject);
}

template <bool (*F)(Runtime&, const Value&, const Value&)>
bool withOther(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("test", std::move(given), {""}, 1);
    return F(runtime, subject, parameters[0]);
}

Value rest(Runtime& runtime, const Value& value, Integer by) {
    return arithmetic(runtime, value, Arithmetic::Modulo, Value::integer(by));
}
bool isOdd(Runtime& runtime, const Value& value, Arguments given) {
    const Parameters none("odd", std::move(given), {});
    return equals(rest(runtime, value, 2), Value::integer(1));
}
bool isEven(Runtime& runtime, const Value& value, Arguments given) {
    const Parameters none("even", std::move(given), {});
    return equals(rest(runtime, value, 2), Value::integer(0));
}
bool isDivisible(Runtime& runtime, const Value& value, Arguments given) {
    const Parameters parameters("divisibleby", std::move(given), {"num"}, 1);
    return equals(arithmetic(runtime, value, Arithmetic::Modulo, parameters[0]), Value::integer(0));
}

bool isDefined(const Value& value) {
    return !value.isUndefined();
}
bool isUndefined(const Value& value) {
    return value.isUndefined();
}
bool isNone(const Value& value) {
    return value.isNone();
}
bool isBoolean(const Value& value) {
    return value.isBool();
}
bool isTrue(const Value& value) {
    return value.isBool() && value.asBool();
}
bool isFalse(const Value& value) {
    return value.isBool() && !value.asBool();
}
bool isInteger(const Value& value) {
    return value.isInt();
}
bool isFloat(const Value& value) {
    return value.isFloat();
}
bool isNumber(const Value& value) {
    return value.isNumber();
}
bool isString(const Value& value) {
    return value.isString();
}
bool isMapping(const Value& value) {
    return value.isDict();
}
bool isEscaped(const Value& value) {
    return value.isMarkup();
}
bool isLower(const Value& value) {
    return isLowerCase(toText(value));
}
bool isUpper(const Value& value) {
    return isUpperCase(toText(value));
}
/// Undefined has a length, a __getitem__ (which fails) and no items.
bool isSequence(const Value& value) {
    return value.isString() || value.isSequence() || value.isDict() || value.isUndefined() ||
           (value.isObject() && value.asObject().isSequence());
}
bool isFilterName(const Value& value) {
    requireHashable(value);
    return value.isString() && findFilter(value.bytes()) != nullptr;
}
bool isTestName(const Value& value) {
    requireHashable(value);
    return value.isString() && findTest(value.bytes()) != nullptr;
}
bool isCallableValue(const Value& value) {
    return isCallable(value) || value.isUndefined();
}
bool isIterable(Runtime& runtime, const Value& value, Arguments given) {
    const Parameters none("iterable", std::move(given), {});
    return tryIterate(runtime, value) != nullptr;
}

bool isSameAs(Runtime&, const Value& value, const Value& other) {
    return value.isSame(other);
}
bool isIn(Runtime& runtime, const Value& value, const Value& other) {
    return contains(runtime, other, value);
}
bool isEqual(Runtime&, const Value& value, const Value& other) {
    return equals(value, other);
}
bool isUnequal(Runtime&, const Value& value, const Value& other) {
    return !equals(value, other);
}
template <Order O>
bool isOrdered(Runtime&, const Value& value, const Value& other) {
    return ordered(value, O, other);
}

struct NamedTest {
    std::string_view name;
    TestFunction function;
};
constexpr NamedTest kTests[] = {
    {"odd", isOdd},
    {"even", isEven},
    {"divisibleby", isDivisible},
    {"defined", plain<isDefined>},
    {"undefined", plain<isUndefined>},
    {"filter", plain<isFilterName>},
    {"test", plain<isTestName>},
    {"none", plain<isNone>},
    {"boolean", plain<isBoolean>},
    {"false", plain<isFalse>},
    {"true", plain<isTrue>},
    {"integer", plain<isInteger>},
    {"float", plain<isFloat>},
    {"lower", plain<isLower>},
    {"upper", plain<isUpper>},
    {"string", plain<isString>},
    {"mapping", plain<isMapping>},
    {"number", plain<isNumber>},
    {"sequence", plain<isSequence>},
    {"iterable", isIterable},
    {"callable", plain<isCallableValue>},
    {"sameas", withOther<isSameAs>},
    {"escaped", plain<isEscaped>},
    {"in", withOther<isIn>},
    {"==", withOther<isEqual>},
    {"eq", withOther<isEqual>},
    {"equalto", withOther<isEqual>},
    {"!=", withOther<isUnequal>},
    {"ne", withOther<isUnequal>},
    {">", withOther<isOrdered<Order::Greater>>},
    {"gt", withOther<isOrdered<Order::Greater>>},
    {"greaterthan", withOther<isOrdered<Order::Greater>>},
    {"ge", withOther<isOrdered<Order::GreaterOrEqual>>},
    {">=", withOther<isOrdered<Order::GreaterOrEqual>>},
    {"<", withOther<isOrdered<Order::Less>>},
    {"lt", withOther<isOrdered<Order::Less>>},
    {"lessthan", withOther<isOrdered<Order::Less>>},
    {"<=", withOther<isOrdered<Order::LessOrEqual>>},
    {"le", withOther<isOrdered<Order::LessOrEqual>>},
};

}  // namespace

TestFunction findTest(std::string_view name) {
    for (const NamedTest& test : kTests)
        if (test.name == name) return test.function;
    return nullptr;
}

}  // namespace engine::jinja
