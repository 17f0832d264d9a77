#pragma once

#include <string>
#include <string_view>

#include "engine/prompt/jinja/value.h"

/// Literals inside tags, by jinja2's rules, which are nearly Python's.
namespace engine::jinja {

/// Bytes that a number literal at the start of `text` takes, 0 if there is none.
size_t floatLength(std::string_view text);
size_t integerLength(std::string_view text);
/// The value of a literal of exactly these bytes.
Value floatValue(std::string_view literal);
Value integerValue(std::string_view literal);

/// Bytes of the quoted text at the start of `text`, quotes included; 0 if it does not end.
size_t stringLength(std::string_view text);
/// Resolves the escapes of a literal's inside.
std::string unescape(std::string_view inside);

}  // namespace engine::jinja
