#pragma once

#include <string_view>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

class Runtime;

using FilterFunction = Value (*)(Runtime& runtime, const Value& subject, Arguments arguments);

/// jinja2's filters, and Hugging Face's tojson. Null if there is none of that name.
FilterFunction findFilter(std::string_view name);

struct NamedFilter {
    std::string_view name;
    FilterFunction function;
};

}  // namespace engine::jinja
