#pragma once

#include <span>

#include "engine/prompt/jinja/methods.h"

namespace engine::jinja {

/// Python's methods of str.
std::span<const NamedMethod> stringMethods();

}  // namespace engine::jinja
