#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/value.h"

/// Looking into values, as jinja2's sandbox allows it: nothing there changes a list or a dict.
namespace engine::jinja {

class Runtime;

/// object.name: a method or attribute first, then the item. Undefined if there is neither.
Value getAttribute(Runtime& runtime, const Value& object, const Text& name);
/// Whether object.name finds a method or an attribute, not counting items.
bool hasAttribute(const Value& object, const Text& name);
/// object[key]: the item first, then the attribute.
Value getItem(Runtime& runtime, const Value& object, const Value& key);
/// object[start:stop:step]; None where absent.
Value getSlice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
               const Value& step);

/// Fails for what cannot be iterated. An undefined value has no items.
std::unique_ptr<Iterator> iterate(Runtime& runtime, const Value& value);
/// Null instead of failing.
std::unique_ptr<Iterator> tryIterate(Runtime& runtime, const Value& value);
std::vector<Value> toVector(Runtime& runtime, const Value& value);
std::unique_ptr<Iterator> iterateVector(std::vector<Value> items);

/// Python's len(), in characters for a text; nothing for what has none.
std::optional<size_t> lengthOf(const Value& value);
bool contains(Runtime& runtime, const Value& container, const Value& item);
bool isCallable(const Value& value);
Value call(Runtime& runtime, const Value& callee, Arguments arguments);

/// Positions that a slice visits in something of `length` items, in order: `count` of them from `start`.
struct SlicePlan {
    Integer start, step;
    size_t count;
};
SlicePlan planSlice(size_t length, const Value& start, const Value& stop, const Value& step);

/// "'dict object' has no attribute 'x'"
std::string missingMessage(const Value& object, const Value& key);

}  // namespace engine::jinja
