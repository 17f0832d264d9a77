#pragma once

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

class Runtime;

/// Python's `text % values`. Texts that are put in keep their origin.
Value percentFormat(Runtime& runtime, const Value& format, const Value& values);
/// Python's `text.format(...)`, looking into values as the sandbox allows.
Value braceFormat(Runtime& runtime, const Value& format, Arguments values);

}  // namespace engine::jinja
