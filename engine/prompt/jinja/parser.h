#pragma once

#include <string_view>

#include "engine/prompt/jinja/ast.h"

namespace engine::jinja {

/// Parses a template by jinja2's grammar, with break, continue and a `generation` tag. Throws TemplateError:
/// for syntax errors with the line, for tags that load other templates with the tag's name, for filters and
/// tests that do not exist where jinja2 notices before it runs (outside of `if`).
Program parseTemplate(std::string_view source);

}  // namespace engine::jinja
