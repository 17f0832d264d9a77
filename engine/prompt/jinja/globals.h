#pragma once

#include <optional>
#include <string_view>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

/// Functions that every template sees: jinja2's range, dict, namespace, cycler, joiner and Hugging Face's
/// raise_exception, strftime_now.
std::optional<Value> findGlobal(std::string_view name);

}  // namespace engine::jinja
