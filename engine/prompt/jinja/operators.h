#pragma once

#include <string_view>

#include "engine/prompt/jinja/value.h"

/// Python's operators. Where Python raises, these do, mostly in its words; using an undefined value says
/// which.
namespace engine::jinja {

class Runtime;

std::string_view typeName(const Value& value);  ///< "str", "NoneType", …
/// Fails with the undefined value's message.
void requireDefined(const Value& value);

bool truth(const Value& value);
bool equals(const Value& left, const Value& right);
enum class Order : uint8_t { Less, LessOrEqual, Greater, GreaterOrEqual };
bool ordered(const Value& left, Order order, const Value& right);
inline bool less(const Value& left, const Value& right) {
    return ordered(left, Order::Less, right);
}

enum class Arithmetic : uint8_t { Add, Subtract, Multiply, Divide, FloorDivide, Modulo, Power };
Value arithmetic(Runtime& runtime, const Value& left, Arithmetic operation, const Value& right);
Value negate(const Value& value);
Value plus(const Value& value);

/// The text with & < > " ' as HTML entities; origins kept.
Text escapeHtml(const Text& text);

}  // namespace engine::jinja
