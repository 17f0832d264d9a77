#include "engine/prompt/jinja/methods.h"

#include <algorithm>
#include <array>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/string_methods.h"

namespace engine::jinja {
namespace {

Value dictGet(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("get", std::move(given), {"", ""}, 1);
    requireHashable(parameters[0]);
    if (!parameters[0].isString()) runtime.budget().step(self.asDict().size() / 8);
    const Value* found = self.asDict().find(parameters[0]);
    return found != nullptr ? *found : parameters.valueOr(1, Value());
}

template <DictView::Part P>
Value dictView(Runtime&, const Value& self, Arguments given) {
    const Parameters none("dict view", std::move(given), {});
    return Value::object(std::make_shared<DictView>(self, P));
}

Value copyOf(Runtime&, const Value& self, Arguments given) {
    const Parameters none("copy", std::move(given), {});
    return self;
}

Value sequenceIndex(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("index", std::move(given), {"", "", ""}, 1);
    const auto& items = self.items();
    const SlicePlan plan =
        planSlice(items.size(), parameters.valueOr(1, Value()), parameters.valueOr(2, Value()), Value());
    for (size_t i = 0; i < plan.count; ++i) {
        runtime.budget().step();
        const auto at = static_cast<size_t>(plan.start) + i;
        if (equals(items[at], parameters[0])) return Value::integer(static_cast<Integer>(at));
    }
    raise("{} is not in {}", reprBytes(parameters[0]), typeName(self));
}

Value sequenceCount(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("count", std::move(given), {""}, 1);
    runtime.budget().step(self.items().size());
    return Value::integer(std::count_if(self.items().begin(), self.items().end(),
                                        [&](const Value& item) { return equals(item, parameters[0]); }));
}

Value isWhole(Runtime&, const Value& self, Arguments given) {
    const Parameters none("is_integer", std::move(given), {});
    const double value = self.asDouble();
    return Value::boolean(value - value == 0 && static_cast<double>(static_cast<Integer>(value)) == value);
}

constexpr NamedMethod kDictMethods[] = {
    {"copy", copyOf},
    {"get", dictGet},
    {"items", dictView<DictView::Part::Items>},
    {"keys", dictView<DictView::Part::Keys>},
    {"values", dictView<DictView::Part::Values>},
};
constexpr NamedMethod kListMethods[] = {{"copy", copyOf}, {"count", sequenceCount}, {"index", sequenceIndex}};
constexpr NamedMethod kTupleMethods[] = {{"count", sequenceCount}, {"index", sequenceIndex}};
constexpr NamedMethod kFloatMethods[] = {{"is_integer", isWhole}};

std::span<const NamedMethod> methodsOf(const Value& self) {
    switch (self.kind()) {
        case Value::Kind::String:
            return stringMethods();
        case Value::Kind::Dict:
            return kDictMethods;
        case Value::Kind::List:
            return kListMethods;
        case Value::Kind::Tuple:
            return kTupleMethods;
        case Value::Kind::Float:
            return kFloatMethods;
        default:
            return {};
    }
}

}  // namespace

std::optional<Value> findMethod(const Value& self, std::string_view name) {
    for (const NamedMethod& method : methodsOf(self)) {
        if (method.name != name) continue;
        const auto function = method.function;
        const Extent held = self.extent();
        return Value::object(std::make_shared<FunctionObject>(
            std::string(name),
            [self, function](Runtime& runtime, Arguments given) {
                runtime.budget().step(self.extent().weight);
                return function(runtime, self, std::move(given));
            },
            Extent{held.depth, 1}));
    }
    return std::nullopt;
}

bool isUnsafeMethod(const Value& self, std::string_view name) {
    static constexpr std::array<std::string_view, 8> kList = {"append", "clear",  "extend",  "insert",
                                                              "pop",    "remove", "reverse", "sort"};
    static constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault",
                                                              "update"};
    if (self.isList()) return std::find(kList.begin(), kList.end(), name) != kList.end();
    if (self.isDict()) return std::find(kDict.begin(), kDict.end(), name) != kDict.end();
    return false;
}

}  // namespace engine::jinja
