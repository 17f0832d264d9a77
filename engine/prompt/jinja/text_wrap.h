#pragma once

#include <vector>

#include "engine/prompt/jinja/text.h"

namespace engine::jinja {

/// Breaks one line as Python's textwrap does (tabs and other white space kept, none at line ends).
std::vector<Text> wrapLine(const Text& line, size_t width, bool breakLongWords, bool breakOnHyphens);

}  // namespace engine::jinja
