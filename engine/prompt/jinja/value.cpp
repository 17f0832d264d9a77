#include "engine/prompt/jinja/value.h"

#include <algorithm>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/object.h"

namespace engine::jinja {

void Extent::hold(const Extent& part) {
    depth = std::max(depth, part.depth + 1);
    weight += part.weight;
    if (depth > kMaxValueDepth) raise("the template nests values too deeply (more than {})", kMaxValueDepth);
    if (weight > kMaxValueWeight) raise("the template builds too large a value");
}

Value Value::undefined(std::string message) {
    return Value(Kind::Undefined, std::make_shared<const std::string>(std::move(message)));
}

Value Value::string(Text text, bool markup) {
    return Value(Kind::String, std::make_shared<const String>(String{std::move(text), markup}));
}

Value Value::sequence(Kind kind, std::vector<Value> items) {
    Extent extent{1, 1};
    for (const Value& item : items) extent.hold(item.extent());
    return Value(kind, std::make_shared<const Sequence>(Sequence{std::move(items), extent}));
}

Value Value::dict(Dict dict) {
    return Value(Kind::Dict, std::make_shared<const Dict>(std::move(dict)));
}

Value Value::object(std::shared_ptr<Object> object) {
    return Value(Kind::Object, std::move(object));
}

const std::string& Value::undefinedMessage() const {
    return *std::get<std::shared_ptr<const std::string>>(data_);
}

const std::vector<Value>& Value::items() const {
    return std::get<std::shared_ptr<const Sequence>>(data_)->items;
}

Extent Value::extent() const {
    switch (kind_) {
        case Kind::String:
            return {0, 1 + text().size() / 16};
        case Kind::List:
        case Kind::Tuple:
            return std::get<std::shared_ptr<const Sequence>>(data_)->extent;
        case Kind::Dict:
            return asDict().extent();
        case Kind::Object:
            return asObject().extent();
        default:
            return {};
    }
}

bool Value::isSame(const Value& other) const {
    if (kind_ != other.kind_) return false;
    switch (kind_) {
        case Kind::Undefined:
            return false;
        case Kind::None:
            return true;
        case Kind::Bool:
            return asBool() == other.asBool();
        case Kind::Int:
            return asInt() == other.asInt();
        case Kind::String:
            return bytes() == other.bytes();
        default:
            return data_ == other.data_;
    }
}

}  // namespace engine::jinja
