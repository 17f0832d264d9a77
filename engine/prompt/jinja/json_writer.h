#pragma once

#include <optional>
#include <string>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

struct JsonStyle {
    bool ensureAscii = false;
    std::optional<Text> indent;  ///< what one level is indented by
    Text itemSeparator, keySeparator;
    bool sortKeys = false;
};

/// Python's json.dumps. Texts keep their origin, punctuation is data. Fails for what JSON cannot say.
Text writeJson(const Value& value, const JsonStyle& style);

}  // namespace engine::jinja
