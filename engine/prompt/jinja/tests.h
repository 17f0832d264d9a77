#pragma once

#include <string_view>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

class Runtime;

using TestFunction = bool (*)(Runtime& runtime, const Value& subject, Arguments arguments);

/// jinja2's tests, what follows `is`. Null if there is none of that name.
TestFunction findTest(std::string_view name);

}  // namespace engine::jinja
