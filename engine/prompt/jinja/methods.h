#pragma once

#include <optional>
#include <string_view>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

class Runtime;

using MethodFunction = Value (*)(Runtime& runtime, const Value& self, Arguments arguments);
struct NamedMethod {
    std::string_view name;
    MethodFunction function;
};

/// Python's methods of str, dict, list, tuple and numbers, bound to `self`. Nothing if there is none.
std::optional<Value> findMethod(const Value& self, std::string_view name);
/// Methods that would change a list or a dict: the sandbox hides them.
bool isUnsafeMethod(const Value& self, std::string_view name);

}  // namespace engine::jinja
