#pragma once

#include <span>

#include "engine/prompt/jinja/filters.h"

/// The filters by what they work on; findFilter looks through all of them.
namespace engine::jinja {

std::span<const NamedFilter> textFilters();  ///< of one text
std::span<const NamedFilter>
sequenceFilters();                            ///< of several items, computed at once: sort, join, length, …
std::span<const NamedFilter> lazyFilters();   ///< of several items, as they are asked for: map, select, …
std::span<const NamedFilter> valueFilters();  ///< numbers, defaults, conversions, tojson

}  // namespace engine::jinja
