#pragma once

#include <optional>
#include <vector>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

class Runtime;

/// The `attribute` that filters take: a name, a number, or several with dots between; None is the item
/// itself.
class AttributePath {
  public:
    /// `fallback` stands for what is undefined on the way. `foldsCase`: a text comes out in lower case, to be
    /// compared.
    AttributePath(const Value& attribute, std::optional<Value> fallback, bool foldsCase);
    Value of(Runtime& runtime, Value item) const;

  private:
    std::vector<Value> parts_;
    std::optional<Value> fallback_;
    bool foldsCase_;
};

/// A group of groupby: a tuple whose two items also go by `grouper` and `list`.
Value makeGroup(Value grouper, Value list);

}  // namespace engine::jinja
