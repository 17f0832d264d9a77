#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

/// What both of Python's formatting languages can say about one value.
struct FormatSpec {
    std::string fill = std::string(1, ' ');
    char align = '\0';  ///< one of < > ^ = or none
    char sign = '-';    ///< '-', '+' or ' '
    bool alternate = false;
    size_t width = 0;
    char grouping = '\0';  ///< ',' or '_'
    std::optional<int> precision;
    char type = '\0';
};

/// Digits of a number without fill; the sign comes first.
std::string formatInteger(Integer value, const FormatSpec& spec);
std::string formatReal(double value, const FormatSpec& spec);
/// Fills up to the width. `numeric`: '=' puts the fill behind the sign.
Text fillUp(const Text& text, const FormatSpec& spec, char defaultAlign);
/// Python's format(value, spec). Fails for what the value's type cannot do.
Text formatValue(const Value& value, std::string_view spec);

}  // namespace engine::jinja
