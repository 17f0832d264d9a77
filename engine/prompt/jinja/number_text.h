#pragma once

#include <optional>
#include <string_view>

#include "engine/prompt/jinja/value.h"

/// Python's int(), float() and round().
namespace engine::jinja {

/// `base` 0 reads the prefix. Nothing where Python raises ValueError.
std::optional<Integer> parseInteger(std::string_view text, int base);
std::optional<double> parseReal(std::string_view text);
/// Half to even on the exact value.
double roundReal(double value, int digits);
Integer roundInteger(Integer value, int digits);

}  // namespace engine::jinja
