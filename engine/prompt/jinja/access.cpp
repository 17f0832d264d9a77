#include "engine/prompt/jinja/access.h"

#include <cstring>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/methods.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

class VectorIterator final : public Iterator {
  public:
    explicit VectorIterator(std::vector<Value> items) : items_(std::move(items)) {}
    bool next(Value& item) override {
        if (position_ >= items_.size()) return false;
        item = items_[position_++];
        return true;
    }

  private:
    std::vector<Value> items_;
    size_t position_ = 0;
};

/// Over the items of a list, tuple or the keys of a dict, which it keeps alive.
class ValueIterator final : public Iterator {
  public:
    explicit ValueIterator(Value source) : source_(std::move(source)) {}
    bool next(Value& item) override {
        if (source_.isDict()) {
            const auto& entries = source_.asDict().entries();
            if (position_ >= entries.size()) return false;
            item = entries[position_++].first;
            return true;
        }
        const auto& items = source_.items();
        if (position_ >= items.size()) return false;
        item = items[position_++];
        return true;
    }

  private:
    Value source_;
    size_t position_ = 0;
};

class CharacterIterator final : public Iterator {
  public:
    explicit CharacterIterator(Value text) : text_(std::move(text)) {}
    bool next(Value& item) override {
        if (position_ >= text_.bytes().size()) return false;
        const size_t begin = position_;
        nextCharacter(text_.bytes(), position_);
        item = Value::string(text_.text().slice(begin, position_));  // of markup too: Python's own iteration
        return true;
    }

  private:
    Value text_;
    size_t position_ = 0;
};

class NoIterator final : public Iterator {
  public:
    bool next(Value&) override { return false; }
};

bool isAscii(const std::string& bytes) {
    for (const char c : bytes)
        if (static_cast<unsigned char>(c) >= 0x80) return false;
    return true;
}

/// The position that Python's index means, or nothing.
std::optional<size_t> position(Integer index, size_t length) {
    if (index < 0) index += static_cast<Integer>(length);
    if (index < 0 || index >= static_cast<Integer>(length)) return std::nullopt;
    return static_cast<size_t>(index);
}

std::optional<Value> itemOf(Runtime& runtime, const Value& object, const Value& key) {
    if (object.isString() && key.isIntegral()) {
        const std::string& bytes = object.bytes();
        runtime.budget().step(bytes.size() / 64);
        if (isAscii(bytes)) {
            const auto at = position(key.asInt(), bytes.size());
            if (!at) return std::nullopt;
            return Value::string(object.text().slice(*at, *at + 1), object.isMarkup());
        }
        const auto offsets = characterOffsets(bytes);
        const auto at = position(key.asInt(), offsets.size() - 1);
        if (!at) return std::nullopt;
        return Value::string(object.text().slice(offsets[*at], offsets[*at + 1]), object.isMarkup());
    }
    if (object.isSequence() && key.isIntegral()) {
        const auto at = position(key.asInt(), object.items().size());
        if (!at) return std::nullopt;
        return object.items()[*at];
    }
    if (object.isDict()) {
        if (!key.isString()) runtime.budget().step(object.asDict().size() / 8);
        const Value* found = object.asDict().find(key);
        if (found != nullptr) return *found;
    }
    if (object.isObject()) return object.asObject().item(key);
    return std::nullopt;
}

std::optional<Value> attributeOf(const Value& object, const Text& name) {
    if (object.isObject()) return object.asObject().attribute(name);
    return findMethod(object, name.bytes());
}

std::string unsafeMessage(const Value& object, const std::string& name) {
    return fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, typeName(object));
}

Integer sliceBound(const Value& value) {
    requireDefined(value);
    if (!value.isIntegral()) raise("slice indices must be integers or None");
    return value.asInt();
}

}  // namespace

std::string missingMessage(const Value& object, const Value& key) {
    const std::string owner = object.isNone() ? "None" : fmt::format("{} object", typeName(object));
    if (key.isString()) return fmt::format("'{}' has no attribute {}", owner, reprBytes(key));
    return fmt::format("{} has no element {}", owner, reprBytes(key));
}

bool hasAttribute(const Value& object, const Text& name) {
    return isUnsafeMethod(object, name.bytes()) || attributeOf(object, name).has_value();
}

Value getAttribute(Runtime& runtime, const Value& object, const Text& name) {
    requireDefined(object);
    const bool isPrivate = !name.empty() && name.bytes()[0] == '_';
    if (!isPrivate) {
        if (isUnsafeMethod(object, name.bytes()))
            return Value::undefined(unsafeMessage(object, name.bytes()));
        if (auto found = attributeOf(object, name)) return *std::move(found);
    }
    const Value key = Value::string(name);
    if (auto found = itemOf(runtime, object, key)) return *std::move(found);
    return Value::undefined(missingMessage(object, key));
}

Value getItem(Runtime& runtime, const Value& object, const Value& key) {
    requireDefined(object);
    if (auto found = itemOf(runtime, object, key)) return *std::move(found);
    if (key.isString() && !(!key.text().empty() && key.bytes()[0] == '_')) {
        if (isUnsafeMethod(object, key.bytes())) return Value::undefined(unsafeMessage(object, key.bytes()));
        if (auto found = attributeOf(object, key.text())) return *std::move(found);
    }
    return Value::undefined(missingMessage(object, key));
}

SlicePlan planSlice(size_t length, const Value& start, const Value& stop, const Value& step) {
    const Integer size = static_cast<Integer>(length);
    const Integer by = step.isNone() ? 1 : sliceBound(step);
    if (by == 0) raise("slice step cannot be zero");
    const Integer low = by > 0 ? 0 : -1, high = by > 0 ? size : size - 1;
    const auto clamp = [&](const Value& bound, Integer absent) {
        if (bound.isNone()) return absent;
        Integer value = sliceBound(bound);
        if (value < 0) value = value < -size ? low : value + size;
        return value < low ? low : value > high ? high : value;
    };
    const Integer first = clamp(start, by > 0 ? low : high);
    const Integer last = clamp(stop, by > 0 ? high : low);
    const Integer distance = by > 0 ? last - first : first - last;
    // -by would overflow for the smallest Integer; anything beyond the length takes one item at most.
    const Integer stride = by > size ? size + 1 : by < -size ? size + 1 : by > 0 ? by : -by;
    const Integer count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
    return {first, by > 0 ? stride : -stride, static_cast<size_t>(count)};
}

Value getSlice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
               const Value& step) {
    requireDefined(object);
    const auto at = [](const SlicePlan& plan, size_t i) {
        return static_cast<size_t>(plan.start + static_cast<Integer>(i) * plan.step);
    };
    if (object.isString()) {
        const std::string& bytes = object.bytes();
        runtime.budget().text(bytes.size());
        const bool ascii = isAscii(bytes);
        const auto offsets = ascii ? std::vector<size_t>() : characterOffsets(bytes);
        const auto offset = [&](size_t character) { return ascii ? character : offsets[character]; };
        const SlicePlan plan = planSlice(ascii ? bytes.size() : offsets.size() - 1, start, stop, step);
        Text out;
        if (plan.step == 1 && plan.count > 0) {
            out = object.text().slice(offset(at(plan, 0)), offset(at(plan, 0) + plan.count));
        } else {
            for (size_t i = 0; i < plan.count; ++i)
                out.append(object.text(), offset(at(plan, i)), offset(at(plan, i) + 1));
        }
        return Value::string(std::move(out), object.isMarkup());
    }
    if (object.isSequence()) {
        const SlicePlan plan = planSlice(object.items().size(), start, stop, step);
        runtime.budget().items(plan.count);
        std::vector<Value> out;
        out.reserve(plan.count);
        for (size_t i = 0; i < plan.count; ++i) out.push_back(object.items()[at(plan, i)]);
        return object.isList() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
    }
    if (auto* range = object.objectAs<RangeObject>())
        return range->slice(planSlice(*range->length(), start, stop, step));
    if (object.isDict()) raise("unhashable type: 'slice'");
    raise("'{}' object is not subscriptable", typeName(object));
}

std::unique_ptr<Iterator> tryIterate(Runtime& runtime, const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Undefined:
            return std::make_unique<NoIterator>();
        case Value::Kind::String:
            return std::make_unique<CharacterIterator>(value);
        case Value::Kind::List:
        case Value::Kind::Tuple:
        case Value::Kind::Dict:
            return std::make_unique<ValueIterator>(value);
        case Value::Kind::Object:
            return value.asObject().iterate(runtime);
        default:
            return nullptr;
    }
}

std::unique_ptr<Iterator> iterate(Runtime& runtime, const Value& value) {
    auto iterator = tryIterate(runtime, value);
    if (iterator == nullptr) raise("'{}' object is not iterable", typeName(value));
    return iterator;
}

std::unique_ptr<Iterator> iterateVector(std::vector<Value> items) {
    return std::make_unique<VectorIterator>(std::move(items));
}

std::vector<Value> toVector(Runtime& runtime, const Value& value) {
    if (value.isSequence()) {
        runtime.budget().items(value.items().size());
        return value.items();
    }
    std::vector<Value> out;
    const auto iterator = iterate(runtime, value);
    for (Value item; iterator->next(item);) {
        runtime.budget().items(1);
        if (out.size() >= kMaxItems) runtime.budget().items(kMaxItems + 1);
        out.push_back(item);
    }
    return out;
}

std::optional<size_t> lengthOf(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::Undefined:
            return 0;
        case Value::Kind::String:
            return characterCount(value.bytes());
        case Value::Kind::List:
        case Value::Kind::Tuple:
            return value.items().size();
        case Value::Kind::Dict:
            return value.asDict().size();
        case Value::Kind::Object:
            return value.asObject().length();
        default:
            return std::nullopt;
    }
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
    if (container.isString()) {
        requireDefined(item);
        if (!item.isString()) raise("'in <string>' requires string as left operand, not {}", typeName(item));
        const std::string &text = container.bytes(), &part = item.bytes();
        runtime.budget().step((text.size() + part.size()) / 64);
        return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
    }
    if (container.isDict()) {
        requireHashable(item);
        return container.asDict().find(item) != nullptr;
    }
    if (auto* range = container.objectAs<RangeObject>(); range != nullptr && item.isIntegral())
        return range->contains(item.asInt());
    const auto iterator = tryIterate(runtime, container);
    if (iterator == nullptr) raise("argument of type '{}' is not iterable", typeName(container));
    for (Value other; iterator->next(other);) {
        runtime.budget().step(1 + std::min(other.extent().weight, item.extent().weight) / 16);
        if (equals(other, item)) return true;
    }
    return false;
}

bool isCallable(const Value& value) {
    return value.isObject() && value.asObject().isCallable();
}

Value call(Runtime& runtime, const Value& callee, Arguments arguments) {
    requireDefined(callee);
    if (!isCallable(callee)) raise("'{}' object is not callable", typeName(callee));
    return callee.asObject().call(runtime, std::move(arguments));
}

}  // namespace engine::jinja
