#include "engine/prompt/jinja/filters.h"

#include <unordered_map>

#include "engine/prompt/jinja/filter_tables.h"

namespace engine::jinja {

FilterFunction findFilter(std::string_view name) {
    static const auto index = [] {
        std::unordered_map<std::string_view, FilterFunction> all;
        for (const auto table : {textFilters(), sequenceFilters(), lazyFilters(), valueFilters()})
            for (const NamedFilter& filter : table) all.emplace(filter.name, filter.function);
        return all;
    }();
    const auto found = index.find(name);
    return found == index.end() ? nullptr : found->second;
}

}  // namespace engine::jinja
