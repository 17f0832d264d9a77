#pragma once

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

/// Python's pprint.pformat with its defaults: dicts sorted by key, lines of at most 80 characters.
Text prettyPrint(const Value& value);

}  // namespace engine::jinja
