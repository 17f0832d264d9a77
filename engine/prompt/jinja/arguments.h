#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

/// The arguments of a call matched with parameter names, as Python does it.
class Parameters {
  public:
    /// The first `required` parameters must be there. An empty name takes no argument by name. Fails with
    /// `function`'s name.
    Parameters(std::string_view function, Arguments arguments, std::initializer_list<std::string_view> names,
               size_t required = 0);

    bool has(size_t index) const { return values_[index].has_value(); }
    /// Absent and None are the same to most functions.
    bool given(size_t index) const { return has(index) && !values_[index]->isNone(); }
    const Value& operator[](size_t index) const { return *values_[index]; }
    Value valueOr(size_t index, const Value& fallback) const;
    bool flag(size_t index, bool fallback = false) const;
    /// Fails unless absent or an integer.
    Integer integer(size_t index, Integer fallback) const;
    /// Fails unless absent or a text.
    Text text(size_t index, std::string_view fallback) const;

  private:
    std::string_view function_;
    std::vector<std::optional<Value>> values_;
};

}  // namespace engine::jinja
