#include "engine/prompt/jinja/arguments.h"

#include <algorithm>

#include "engine/prompt/jinja/operators.h"

namespace engine::jinja {

Parameters::Parameters(std::string_view function, Arguments arguments,
                       std::initializer_list<std::string_view> names, size_t required)
    : function_(function), values_(names.size()) {
    if (arguments.positional.size() > names.size())
        raise("{}() takes at most {} arguments ({} given)", function, names.size(),
              arguments.positional.size());
    std::move(arguments.positional.begin(), arguments.positional.end(), values_.begin());
    for (auto& [name, value] : arguments.named) {
        const auto* found = name.empty() ? names.end() : std::find(names.begin(), names.end(), name);
        if (found == names.end()) raise("{}() got an unexpected keyword argument '{}'", function, name);
        auto& slot = values_[static_cast<size_t>(found - names.begin())];
        if (slot) raise("{}() got multiple values for argument '{}'", function, name);
        slot = std::move(value);
    }
    for (size_t i = 0; i < required; ++i)
        if (!values_[i]) raise("{}() is missing argument {} of {}", function, i + 1, required);
}

Value Parameters::valueOr(size_t index, const Value& fallback) const {
    return has(index) ? *values_[index] : fallback;
}

bool Parameters::flag(size_t index, bool fallback) const {
    return has(index) ? truth(*values_[index]) : fallback;
}

Integer Parameters::integer(size_t index, Integer fallback) const {
    if (!has(index)) return fallback;
    requireDefined(*values_[index]);
    if (!values_[index]->isIntegral())
        raise("{}(): '{}' object cannot be interpreted as an integer", function_, typeName(*values_[index]));
    return values_[index]->asInt();
}

Text Parameters::text(size_t index, std::string_view fallback) const {
    if (!has(index)) return Text(std::string(fallback), Origin::Template);
    requireDefined(*values_[index]);
    if (!values_[index]->isString())
        raise("{}() argument {} must be str, not {}", function_, index + 1, typeName(*values_[index]));
    return values_[index]->text();
}

}  // namespace engine::jinja
